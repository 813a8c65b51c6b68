"""Two participants on aiortc in a call: each receives the other's picture and note through the real edge and node.

`python with_aiortc.py URL ROOM TOKEN_OF_ADA TOKEN_OF_GRACE`, with the room's socket as URL; exits with 0 if the media is the other's.
"""

import asyncio
import fractions
import math
import sys
import time

import av
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

from room import Received, Socket, call, frequency

SLOTS = 2
WIDTH, HEIGHT = 320, 180
SAMPLE_RATE = 48_000
SAMPLES = 960


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
    samples = memoryview(bytes(sound.planes[0])).cast("h")[: sound.samples * len(sound.layout.channels)]
    return frequency(samples[:: len(sound.layout.channels)], sound.sample_rate)


class Participant:
    """Joins, publishes a picture and a note, and listens to everything that comes."""

    def __init__(self, name, luma, hz):
        self.name, self.luma, self.hz = name, luma, hz
        self.picture, self.note = Picture(luma), Note(hz)
        self.socket, self.received = Socket(), Received()
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
                    self.received.lumas.append(luma_of(frame))
                elif (hz := note_of(frame)) is not None:
                    self.received.notes.append(hz)
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
        tracks = [(transceiver.mid, source) for transceiver, source in sections]
        answer = await self.socket.join(url, token, self.connection.localDescription.sdp, tracks)
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        # RFC 8829 §5.3.1: candidates stand in the first section of a bundle alone; aiortc 1.16 looks into the last.
        for line in answer.splitlines():
            if line.startswith("a=candidate:"):
                candidate = candidate_from_sdp(line.removeprefix("a=candidate:"))
                candidate.sdpMid = sections[0][0].mid
                await self.connection.addIceCandidate(candidate)

    def raise_problem(self):
        for listener in self.listeners:
            if listener.done():
                listener.result()

    async def leave(self):
        await self.socket.leave()
        await self.connection.close()
        await asyncio.gather(*self.listeners)


async def main(*arguments):
    await call(Participant("ada", 80, 440), Participant("grace", 160, 660), *arguments)


asyncio.run(main(*sys.argv[1:]))
