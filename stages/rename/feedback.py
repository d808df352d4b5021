"""`rename.feedback`: what people think of a rename is kept, and moves the score of the pattern its name was made by."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

from pipeline.errors import ErrorCode, Permanent
from pipeline.stage import StageContext
from stages.contracts import RenameFeedback
from stages.rename.request import KIND as RENAME
from stages.rename.scores import FEEDBACK, VERDICT, Verdict, recount


async def learn(feedback: RenameFeedback, context: StageContext) -> None:
    """Store the feedback and count it. One that is delivered again counts once.

    Of a rename that was refused it is stored only: what is in a file's way tells nothing of how names are made.

    Raises: Permanent, UNKNOWN_RENAME.
    """
    rename = await context.state.get(RENAME, feedback.rename_id)
    if rename is None:
        raise Permanent("No rename has this id", ErrorCode.UNKNOWN_RENAME)
    pattern = rename["pattern"] if rename["state"] == "done" else None
    feedback_id = context.envelope.message_id or str(uuid4())
    document = {
        "feedback_id": feedback_id,
        "rename_id": feedback.rename_id,
        "recording_id": rename["recording_id"],
        "feedback_type": feedback.feedback_type,
        "user_rating": feedback.user_rating,
        "message": feedback.message,
        "pattern": pattern,
        "given_at": (context.envelope.timestamp or datetime.now(UTC)).isoformat(),
    }
    index = {"rename": feedback.rename_id}
    if pattern is not None:
        index[VERDICT] = Verdict(feedback.feedback_type, feedback.user_rating).key(pattern)
    await context.state.put(FEEDBACK, feedback_id, document, index=index)
    if pattern is not None:
        await recount(context.state, pattern)
