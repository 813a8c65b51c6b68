"""Two participants on GStreamer's webrtcbin in a call: each receives the other's picture and note through the real edge
and node.

`python with_gstreamer.py URL ROOM TOKEN_OF_ADA TOKEN_OF_GRACE`, with the room's socket as URL; exits with 0 if the media
is the other's. Without a second token ada keeps GStreamer's RSA certificate; exits with 0 if her connection fails.
"""

import asyncio
import hashlib
import re
import ssl
import subprocess
import sys
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import Gst, GstSdp, GstWebRTC  # noqa: E402

from room import TIMEOUT_S, Received, Socket, call, frequency  # noqa: E402

SLOTS = 2
WIDTH, HEIGHT = 320, 180
SAMPLE_RATE = 48_000
VP8 = "application/x-rtp,media=video,encoding-name=VP8,payload=96,clock-rate=90000,rtcp-fb-nack-pli=(boolean)true"
OPUS = "application/x-rtp,media=audio,encoding-name=OPUS,payload=111,clock-rate=48000,encoding-params=(string)2"
# A microphone and a camera, each as a bin whose output is RTP.
MICROPHONE = f"""audiotestsrc is-live=true freq={{hz}} volume=0.3 ! audio/x-raw,rate={SAMPLE_RATE},channels=2 ! opusenc
  ! rtpopuspay pt=111 ! capsfilter caps="{OPUS}" """
CAMERA = f"""videotestsrc is-live=true pattern=solid-color foreground-color={{color}}
  ! video/x-raw,format=I420,width={WIDTH},height={HEIGHT},framerate=30/1 ! vp8enc deadline=1 target-bitrate=300000
  ! rtpvp8pay pt=96 picture-id-mode=15-bit ! capsfilter caps="{VP8}" """
# What decodes a received track, by its kind.
DECODERS = {
    "video": "rtpvp8depay ! vp8dec ! video/x-raw,format=I420 ! appsink name=end emit-signals=true sync=false",
    "audio": "rtpopusdepay ! opusdec ! audioconvert ! audio/x-raw,format=S16LE,channels=1 ! audioresample "
    f"! audio/x-raw,rate={SAMPLE_RATE} ! appsink name=end emit-signals=true sync=false",
}


class Participant:
    """Joins, publishes a picture and a note, and listens to everything that comes."""

    def __init__(self, name, grey, hz, certificate=None):
        self.name, self.certificate = name, certificate
        # BT.601: brightness runs from 16 to 235.
        self.luma, self.hz = 16 + 219 * grey / 255, hz
        self.socket, self.received = Socket(), Received()
        color = 0xFF000000 | grey << 16 | grey << 8 | grey
        self.pipeline = Gst.Pipeline.new()
        self.connection = Gst.ElementFactory.make("webrtcbin")
        self.connection.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
        self.connection.connect("pad-added", self.on_track)
        self.connection.connect("deep-element-added", self.on_element)
        self.pipeline.add(self.connection)
        # Kept, because the bindings would free the agent with their reference.
        self.ice = self.connection.get_property("ice-agent")
        # The node is on this machine, and libnice gathers no loopback address by itself.
        self.ice.emit("add-local-ip-address", "127.0.0.1")
        for number, source in enumerate((MICROPHONE.format(hz=hz), CAMERA.format(color=color))):
            source = Gst.parse_bin_from_description(source, True)
            self.pipeline.add(source)
            source.get_static_pad("src").link(self.connection.request_pad_simple(f"sink_{number}"))
            self.transceiver(number).set_property("direction", GstWebRTC.WebRTCRTPTransceiverDirection.SENDONLY)
        for caps in (OPUS, VP8):
            for _ in range(SLOTS):
                receives = GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY
                self.connection.emit("add-transceiver", receives, Gst.caps_from_string(caps))
        self.pipeline.set_state(Gst.State.PLAYING)

    def transceiver(self, number):
        return self.connection.emit("get-transceiver", number)

    def on_element(self, _connection, _parent, element):
        """Called on a thread of GStreamer's, as is everything below that begins with `on_`."""
        if self.certificate is not None and element.find_property("pem") is not None:
            element.set_property("pem", self.certificate)

    def on_track(self, _, pad):
        if pad.get_direction() != Gst.PadDirection.SRC:
            return
        kind = pad.get_current_caps().get_structure(0).get_string("media")
        decoder = Gst.parse_bin_from_description(DECODERS[kind], True)
        decoder.get_by_name("end").connect("new-sample", self.on_picture if kind == "video" else self.on_sound)
        self.pipeline.add(decoder)
        decoder.sync_state_with_parent()
        pad.link(decoder.get_static_pad("sink"))

    def on_picture(self, sink):
        data = bytes_of(sink)
        row = data[WIDTH * HEIGHT * 3 // 4 :][:WIDTH]
        self.received.lumas.append(sum(row) / len(row))
        return Gst.FlowReturn.OK

    def on_sound(self, sink):
        hz = frequency(memoryview(bytes_of(sink)).cast("h"), SAMPLE_RATE)
        if hz is not None:
            self.received.notes.append(hz)
        return Gst.FlowReturn.OK

    async def ask(self, request, *arguments):
        """One of the requests that webrtcbin answers with a promise."""
        loop, answered = asyncio.get_running_loop(), asyncio.Event()

        def on_answer(_promise, _data):
            loop.call_soon_threadsafe(answered.set)

        promise = Gst.Promise.new_with_change_func(on_answer, None)
        self.connection.emit(request, *arguments, promise)
        await asyncio.wait_for(answered.wait(), TIMEOUT_S)
        return promise.get_reply()

    async def join(self, url, token):
        reply = await self.ask("create-offer", None)
        offer = reply.get_value("offer")
        await self.ask("set-local-description", offer)
        text = self.connection.get_property("local-description").sdp.as_text()
        if self.certificate is not None:
            text = with_fingerprint(text, self.certificate)
        mids = [line.removeprefix("a=mid:") for line in text.splitlines() if line.startswith("a=mid:")]
        answer = await self.socket.join(url, token, text, list(zip(mids, ("microphone", "camera"))))
        _, parsed = GstSdp.SDPMessage.new_from_text(answer)
        described = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, parsed)
        await self.ask("set-remote-description", described)

    def raise_problem(self):
        if problem := self.pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR):
            raise SystemExit(f"{self.name}: {problem.parse_error()}")

    async def leave(self):
        await self.socket.leave()
        self.pipeline.set_state(Gst.State.NULL)


def new_certificate():
    """On P-256, behind its key."""
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=peer -days 1 -keyout -"
    return subprocess.run(command.split(), check=True, capture_output=True, text=True).stdout


def with_fingerprint(sdp, certificate):
    """The same offer with the certificate's digest: webrtcbin (1.22) hashes everything in `pem`, also the key."""
    first, last = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    der = ssl.PEM_cert_to_DER_cert(first + certificate.partition(first)[2].partition(last)[0] + last)
    digest = hashlib.sha256(der).digest().hex(":").upper()
    return re.sub("^a=fingerprint:sha-256 .*$", f"a=fingerprint:sha-256 {digest}\r", sdp, flags=re.MULTILINE)


def bytes_of(sink):
    _, mapped = (buffer := sink.emit("pull-sample").get_buffer()).map(Gst.MapFlags.READ)
    data = bytes(mapped.data)
    buffer.unmap(mapped)
    return data


async def is_refused(url, room, token):
    """The node accepts no RSA certificates; its alert ends the handshake."""
    ada = Participant("ada", 80, 440)
    await ada.join(f"{url}/v1/rooms/{room}/socket", token)
    state, deadline = None, time.monotonic() + TIMEOUT_S
    while state != GstWebRTC.WebRTCPeerConnectionState.FAILED:
        if time.monotonic() > deadline:
            raise SystemExit(f"ada is not told: {state}")
        await asyncio.sleep(0.05)
        state = ada.connection.get_property("connection-state")
    print("ada's connection failed")
    ada.pipeline.set_state(Gst.State.NULL)


async def main(url, room, *tokens):
    Gst.init(None)
    if len(tokens) == 1:
        return await is_refused(url, room, *tokens)
    people = (Participant("ada", 80, 440, new_certificate()), Participant("grace", 160, 660, new_certificate()))
    await call(*people, url, room, *tokens)


asyncio.run(main(*sys.argv[1:]))
