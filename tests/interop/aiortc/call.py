"""Two participants on aiortc in a call: each receives the other's picture and note through the real edge and node.

`python call.py URL ROOM TOKEN_OF_ADA TOKEN_OF_GRACE`, with the room's socket as URL; exits with 0 if the media is the other's.
"""

import asyncio
import fractions
import json
import math
import sys
import time
import uuid

import av
import websockets
from aiortc import (
    AudioStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
    VideoStreamTrack,
)
from aiortc.mediastreams import MediaStreamError
from aiortc.sdp import candidate_from_sdp

SLOTS = 2
WIDTH, HEIGHT = 320, 180
SAMPLE_RATE = 48_000
SAMPLES = 960
# What must arrive before the call is believed: two seconds of pictures, one of sound.
FRAMES_MIN = 60
SOUNDS_MIN = 50
TIMEOUT_S = 30
LUMA_TOLERANCE = 12
NOTE_TOLERANCE_HZ = 15


class Picture(VideoStreamTrack):
    """A grey picture whose brightness names its sender, with a bright line that moves."""

    def __init__(self, luma):
        super().__init__()
        self.luma = luma
        self.count = 0

    async def recv(self):
        pts, time_base = await self.next_timestamp()
        frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
        rows = [bytearray([self.luma]) * frame.planes[0].line_size for _ in range(HEIGHT)]
        rows[self.count % 40][:] = bytearray([235]) * frame.planes[0].line_size
        frame.planes[0].update(b"".join(rows))
        for plane in frame.planes[1:]:
            plane.update(bytes([128]) * plane.buffer_size)
        frame.pts, frame.time_base = pts, time_base
        self.count += 1
        return frame


class Note(AudioStreamTrack):
    """One note."""

    def __init__(self, hz):
        super().__init__()
        self.hz = hz
        self.samples = 0
        self.started = time.monotonic()

    async def recv(self):
        await asyncio.sleep(max(0, self.started + self.samples / SAMPLE_RATE - time.monotonic()))
        frame = av.AudioFrame(format="s16", layout="mono", samples=SAMPLES)
        step = 2 * math.pi * self.hz / SAMPLE_RATE
        values = (round(9_000 * math.sin(step * (self.samples + i))) for i in range(SAMPLES))
        frame.planes[0].update(b"".join(value.to_bytes(2, "little", signed=True) for value in values))
        frame.pts, frame.sample_rate = self.samples, SAMPLE_RATE
        frame.time_base = fractions.Fraction(1, SAMPLE_RATE)
        self.samples += SAMPLES
        return frame


def luma_of(frame):
    """Brightness in the lower half, where no line moves."""
    plane = frame.reformat(format="yuv420p").planes[0]
    row = bytes(plane)[plane.line_size * (frame.height * 3 // 4) :][: frame.width]
    return sum(row) / len(row)


def note_of(sound):
    """Frequency of a sound of one note, by how often it crosses zero upwards."""
    samples = memoryview(bytes(sound.planes[0])).cast("h")[: sound.samples * len(sound.layout.channels)]
    left = samples[:: len(sound.layout.channels)]
    if max(left) < 2_000:
        return None
    crossings = [i for i in range(1, len(left)) if left[i - 1] < 0 <= left[i]]
    if len(crossings) < 3:
        return None
    return sound.sample_rate * (len(crossings) - 1) / (crossings[-1] - crossings[0])


class Participant:
    """Joins, publishes a picture and a note, and listens to everything that comes."""

    def __init__(self, name, luma, hz):
        self.name = name
        self.picture, self.note = Picture(luma), Note(hz)
        self.lumas, self.notes = [], []
        self.connection = RTCPeerConnection(
            RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        )
        self.listeners = []

        @self.connection.on("track")
        def on_track(track):
            self.listeners.append(asyncio.ensure_future(self.listen(track)))

    async def listen(self, track):
        try:
            while True:
                frame = await track.recv()
                if track.kind == "video":
                    self.lumas.append(luma_of(frame))
                elif (hz := note_of(frame)) is not None:
                    self.notes.append(hz)
        except MediaStreamError:
            pass

    async def join(self, url, token):
        sections = [
            (self.connection.addTransceiver(self.note, direction="sendonly"), "microphone"),
            (self.connection.addTransceiver(self.picture, direction="sendonly"), "camera"),
        ]
        for _ in range(SLOTS):
            self.connection.addTransceiver("audio", direction="recvonly")
            self.connection.addTransceiver("video", direction="recvonly")
        await self.connection.setLocalDescription(await self.connection.createOffer())
        self.socket = await websockets.connect(url, subprotocols=["rotunda.v1", f"token.{token}"])
        join = {
            "id": 1,
            "type": "join",
            "attempt": uuid.uuid4().hex,
            "offer": self.connection.localDescription.sdp,
            "tracks": [{"mid": transceiver.mid, "source": source} for transceiver, source in sections],
        }
        await self.socket.send(json.dumps(join))
        answer = json.loads(await self.socket.recv())
        if answer["type"] != "joined":
            raise SystemExit(f"{self.name}: {answer}")
        await self.connection.setRemoteDescription(RTCSessionDescription(answer["answer"], "answer"))
        # RFC 8829 §5.3.1: candidates stand in the first section of a bundle alone; aiortc 1.16 looks into the last.
        for line in answer["answer"].splitlines():
            if line.startswith("a=candidate:"):
                candidate = candidate_from_sdp(line.removeprefix("a=candidate:"))
                candidate.sdpMid = sections[0][0].mid
                await self.connection.addIceCandidate(candidate)

    async def wait_for_media(self):
        """Until enough has come; a keyframe request or two may pass first."""
        deadline = time.monotonic() + TIMEOUT_S
        while len(self.lumas) < FRAMES_MIN or len(self.notes) < SOUNDS_MIN:
            for listener in self.listeners:
                if listener.done():
                    listener.result()  # Raises what ended it.
            if time.monotonic() > deadline:
                raise SystemExit(f"{self.name}: only {len(self.lumas)} frames and {len(self.notes)} sounds came")
            await asyncio.sleep(0.05)

    def check(self, other):
        """The last of what came is the other's, and nobody else's."""
        luma = sorted(self.lumas[-FRAMES_MIN:])[FRAMES_MIN // 2]
        hz = sorted(self.notes[-SOUNDS_MIN:])[SOUNDS_MIN // 2]
        print(f"{self.name}: {len(self.lumas)} frames of brightness {luma:.0f}, {len(self.notes)} sounds of {hz:.0f} Hz")
        if abs(luma - other.picture.luma) > LUMA_TOLERANCE or abs(hz - other.note.hz) > NOTE_TOLERANCE_HZ:
            raise SystemExit(f"{self.name}: expected brightness {other.picture.luma} and {other.note.hz} Hz")

    async def leave(self):
        await self.socket.send(json.dumps({"id": 2, "type": "leave"}))
        await self.socket.wait_closed()
        await self.connection.close()
        await asyncio.gather(*self.listeners)


async def main(url, room, *tokens):
    people = [Participant("ada", 80, 440), Participant("grace", 160, 660)]
    for person, token in zip(people, tokens, strict=True):
        await person.join(f"{url}/v1/rooms/{room}/socket", token)
    for person in people:
        await person.wait_for_media()
    people[0].check(people[1])
    people[1].check(people[0])
    for person in people:
        await person.leave()


asyncio.run(main(*sys.argv[1:]))
