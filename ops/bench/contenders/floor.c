/* What a client in C can do on the same broker: librabbitmq, no validation, nothing else.
 *
 * floor WORK MESSAGES, WORK being consume or publish, with BENCH_PORT; prints the same JSON as the other contenders.
 * The nth publish answers the nth delivery, so that a confirm's tag is the tag of the delivery to ack.
 */
#include <amqp.h>
#include <amqp_tcp_socket.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { CHANNEL = 1, PREFETCH = 200, ACK_EVERY = 50 };

static amqp_connection_state_t connection;

static void fail(const char *what) {
  fprintf(stderr, "%s failed\n", what);
  exit(1);
}

static void must(const char *what) {
  if (amqp_get_rpc_reply(connection).reply_type != AMQP_RESPONSE_NORMAL) fail(what);
}

static double wall(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double cpu(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void publish(amqp_bytes_t body) {
  amqp_basic_properties_t properties;
  memset(&properties, 0, sizeof properties);
  properties._flags = AMQP_BASIC_DELIVERY_MODE_FLAG;
  properties.delivery_mode = 2;
  if (amqp_basic_publish(connection, CHANNEL, amqp_cstring_bytes("bench"), amqp_cstring_bytes("bench.done"), 1, 0,
                         &properties, body) != AMQP_STATUS_OK)
    fail("publish");
}

static void ack(uint64_t tag) {
  if (amqp_basic_ack(connection, CHANNEL, tag, 1) != AMQP_STATUS_OK) fail("ack");
}

int main(int count, char **words) {
  if (count != 3 || getenv("BENCH_PORT") == NULL) fail("usage");
  int publishing = strcmp(words[1], "publish") == 0;
  uint64_t messages = strtoull(words[2], NULL, 10);

  connection = amqp_new_connection();
  amqp_socket_t *socket = amqp_tcp_socket_new(connection);
  if (socket == NULL || amqp_socket_open(socket, "127.0.0.1", atoi(getenv("BENCH_PORT"))) != AMQP_STATUS_OK) fail("connect");
  if (amqp_login(connection, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest").reply_type != AMQP_RESPONSE_NORMAL)
    fail("login");
  amqp_channel_open(connection, CHANNEL);
  must("channel");
  amqp_basic_qos(connection, CHANNEL, 0, PREFETCH, 0);
  must("qos");
  if (publishing) {
    amqp_confirm_select(connection, CHANNEL);
    must("confirm");
  }
  amqp_basic_consume(connection, CHANNEL, amqp_cstring_bytes("bench.in"), amqp_empty_bytes, 0, 0, 0, amqp_empty_table);
  must("consume");

  double began = 0, began_cpu = 0;
  uint64_t seen = 0, done = 0;
  while (done < messages) {
    amqp_envelope_t envelope;
    amqp_maybe_release_buffers(connection);
    amqp_rpc_reply_t reply = amqp_consume_message(connection, &envelope, NULL, 0);
    if (reply.reply_type == AMQP_RESPONSE_NORMAL) {
      if (seen++ == 0) began = wall(), began_cpu = cpu();
      if (seen <= messages) {
        if (publishing) publish(envelope.message.body);
        else if (seen % ACK_EVERY == 0 || seen == messages) ack(envelope.delivery_tag), done = seen;
      }
      amqp_destroy_envelope(&envelope);
      continue;
    }
    if (reply.reply_type != AMQP_RESPONSE_LIBRARY_EXCEPTION || reply.library_error != AMQP_STATUS_UNEXPECTED_STATE)
      fail("consume");
    amqp_frame_t frame;
    if (amqp_simple_wait_frame(connection, &frame) != AMQP_STATUS_OK) fail("read");
    if (frame.frame_type == AMQP_FRAME_METHOD && frame.payload.method.id == AMQP_BASIC_ACK_METHOD) {
      uint64_t tag = ((amqp_basic_ack_t *)frame.payload.method.decoded)->delivery_tag;
      if (tag > done) ack(tag), done = tag;
    } else {
      fail("confirm");
    }
  }
  printf("{\"messages\": %llu, \"seconds\": %f, \"cpu\": %f}\n", (unsigned long long)messages, wall() - began, cpu() - began_cpu);
  amqp_connection_close(connection, AMQP_REPLY_SUCCESS);
  return 0;
}
