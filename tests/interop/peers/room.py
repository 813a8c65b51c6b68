"""The socket of a room, and what its participants check: each must receive the other's picture and note."""

import asyncio
import json
import time
import uuid

import websockets

# Enough to decide: two seconds of pictures, one of sound.
FRAMES_MIN = 60
SOUNDS_MIN = 50
TIMEOUT_S = 30
LUMA_TOLERANCE = 12
NOTE_TOLERANCE_HZ = 15


class Socket:
    """One participant's socket."""

    async def join(self, url, token, offer, tracks):
        """Joins with an offer, whose published sections are `tracks`: pairs of mid and source. Returns the answer."""
        self.socket = await websockets.connect(url, subprotocols=["rotunda.v1", f"token.{token}"])
        join = {
            "id": 1,
            "type": "join",
            "attempt": uuid.uuid4().hex,
            "offer": offer,
            "tracks": [{"mid": mid, "source": source} for mid, source in tracks],
        }
        await self.socket.send(json.dumps(join))
        answer = json.loads(await self.socket.recv())
        if answer["type"] != "joined":
            raise SystemExit(f"refused: {answer}")
        return answer["answer"]

    async def leave(self):
        await self.socket.send(json.dumps({"id": 2, "type": "leave"}))
        await self.socket.wait_closed()


async def call(ada, grace, url, room, *tokens):
    """Both join, wait until enough has come, check that it is the other's, and leave."""
    for person, token in zip((ada, grace), tokens, strict=True):
        await person.join(f"{url}/v1/rooms/{room}/socket", token)
    deadline = time.monotonic() + TIMEOUT_S
    for person in (ada, grace):
        while not person.received.is_enough:
            person.raise_problem()
            if time.monotonic() > deadline:
                raise SystemExit(f"{person.name}: only {person.received} came")
            await asyncio.sleep(0.05)
    for person, other in ((ada, grace), (grace, ada)):
        person.received.check(person.name, other.luma, other.hz)
    for person in (ada, grace):
        await person.leave()


class Received:
    """Brightness of pictures and frequency of sounds, as they were decoded."""

    def __init__(self):
        self.lumas, self.notes = [], []

    def __str__(self):
        return f"{len(self.lumas)} frames and {len(self.notes)} sounds"

    @property
    def is_enough(self):
        return len(self.lumas) >= FRAMES_MIN and len(self.notes) >= SOUNDS_MIN

    def check(self, name, luma_expected, hz_expected):
        """The last of what came is the other's, and nobody else's."""
        luma = sorted(self.lumas[-FRAMES_MIN:])[FRAMES_MIN // 2]
        hz = sorted(self.notes[-SOUNDS_MIN:])[SOUNDS_MIN // 2]
        print(f"{name}: {len(self.lumas)} frames of brightness {luma:.0f}, {len(self.notes)} sounds of {hz:.0f} Hz")
        if abs(luma - luma_expected) > LUMA_TOLERANCE or abs(hz - hz_expected) > NOTE_TOLERANCE_HZ:
            raise SystemExit(f"{name}: expected brightness {luma_expected} and {hz_expected} Hz")


def frequency(samples, rate):
    """Frequency of a sound of one note, by how often it crosses zero upwards; `None` if it is too quiet."""
    if len(samples) == 0 or max(samples) < 2_000:
        return None
    crossings = [i for i in range(1, len(samples)) if samples[i - 1] < 0 <= samples[i]]
    if len(crossings) < 3:
        return None
    return rate * (len(crossings) - 1) / (crossings[-1] - crossings[0])
