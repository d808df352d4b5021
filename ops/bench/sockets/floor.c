/* The least that sending one event to many WebSockets costs: one epoll loop, the frame ready, one write a client.
 *
 * floor PORT: clients connect as to any WebSocket server, and follow everything once they have sent their first frame.
 * Whoever sends a line beginning with "PUBLISH " instead of a request has the rest of each line sent to all as a text
 * frame. The handshake's answer is not computed: it is for clients that do not look at it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 20000, LINE = 65536 };
enum state { NONE, NEW, UPGRADED, FOLLOWING, PUBLISHER };

static enum state states[MOST];
static int highest;
static char line[LINE];
static size_t filled;

static const char *UPGRADE =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
static const char SUBSCRIBED[] = "\x81\x15{\"type\":\"subscribed\"}";

static void broadcast(const char *text, size_t length) {
  static unsigned char frame[LINE + 4];
  size_t head = length < 126 ? 2 : 4;
  frame[0] = 0x81;
  if (length < 126) frame[1] = (unsigned char)length;
  else frame[1] = 126, frame[2] = (unsigned char)(length >> 8), frame[3] = (unsigned char)length;
  memcpy(frame + head, text, length);
  for (int client = 0; client <= highest; client++)
    if (states[client] == FOLLOWING && send(client, frame, head + length, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EAGAIN)
      states[client] = NONE;
}

static void published(int from) {
  ssize_t count = read(from, line + filled, LINE - filled);
  if (count <= 0) {
    close(from);
    states[from] = NONE;
    return;
  }
  filled += (size_t)count;
  char *start = line, *end;
  while ((end = memchr(start, '\n', filled - (size_t)(start - line))) != NULL) {
    char *text = strncmp(start, "PUBLISH ", 8) == 0 ? start + 8 : start;
    broadcast(text, (size_t)(end - text));
    start = end + 1;
  }
  filled -= (size_t)(start - line);
  memmove(line, start, filled);
}

static void said(int client) {
  char data[4096];
  if (states[client] == NEW) {
    ssize_t count = recv(client, data, 8, MSG_PEEK);
    if (count == 8 && strncmp(data, "PUBLISH ", 8) == 0) {
      states[client] = PUBLISHER;
      published(client);
      return;
    }
  }
  ssize_t count = read(client, data, sizeof data);
  if (count <= 0) {
    close(client);
    states[client] = NONE;
  } else if (states[client] == NEW) {
    states[client] = UPGRADED;
    send(client, UPGRADE, strlen(UPGRADE), MSG_NOSIGNAL);
  } else if (states[client] == UPGRADED) {
    states[client] = FOLLOWING;
    send(client, SUBSCRIBED, sizeof SUBSCRIBED - 1, MSG_NOSIGNAL);
  }
}

int main(int count, char **words) {
  if (count != 2) return 2;
  int one = 1, server = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), poll = epoll_create1(0);
  setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(words[1]))};
  inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  if (bind(server, (struct sockaddr *)&address, sizeof address) != 0 || listen(server, 4096) != 0) return 1;
  struct epoll_event event = {.events = EPOLLIN, .data.fd = server}, events[256];
  epoll_ctl(poll, EPOLL_CTL_ADD, server, &event);
  for (;;) {
    int ready = epoll_wait(poll, events, 256, -1);
    for (int i = 0; i < ready; i++) {
      int from = events[i].data.fd;
      if (from != server) {
        if (states[from] == PUBLISHER) published(from);
        else said(from);
        continue;
      }
      int client = accept4(server, NULL, NULL, SOCK_NONBLOCK);
      if (client < 0) continue;
      if (client >= MOST) {
        close(client);
        continue;
      }
      setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      states[client] = NEW;
      if (client > highest) highest = client;
      struct epoll_event fresh = {.events = EPOLLIN, .data.fd = client};
      epoll_ctl(poll, EPOLL_CTL_ADD, client, &fresh);
    }
  }
}
