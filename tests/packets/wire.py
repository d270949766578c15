# SPDX-License-Identifier: BSD-3-Clause
"""What the packet scripts share: a raw socket on one interface, frames and protocol messages made
by hand (dataplane/proto/wire.h). Standard library only; needs CAP_NET_RAW."""

import argparse
import fcntl
import ipaddress
import os
import select
import socket
import struct
import sys
import time

SERVICE_PORT = 9500
GET, DATA, STATUS, TOKEN, LOCATE, LOCATED, PING, PONG = range(4, 12)
GET_BYTES, EXT_BYTES_MAX, TOKEN_BYTES = 76, 512, 16
FRAME_BYTES_MIN = 60  # what an Ethernet pads to
NO_TOKEN = bytes(TOKEN_BYTES)

SOL_PACKET, PACKET_STATISTICS, PACKET_OUTGOING, ETH_P_ALL = 263, 6, 4, 3
SIOCGIFADDR, SIOCGIFHWADDR = 0x8915, 0x8927


class Failure(Exception):
    """A sentence for people; the script ends with it."""


def arguments(description, add=None):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--iface", required=True, help="interface of the wire to the daemon")
    parser.add_argument("--target-mac", required=True, help="Ethernet address of the daemon's port")
    parser.add_argument("--target4", help="its IPv4 address")
    parser.add_argument("--target6", help="its IPv6 address")
    parser.add_argument("--port", type=int, default=SERVICE_PORT, help="service port (9500)")
    parser.add_argument("--source4", help="our IPv4 address (of the interface)")
    parser.add_argument("--source6", help="our IPv6 address (of the interface)")
    parser.add_argument("--seed", type=int, default=1, help="of all random choices (1)")
    if add is not None:
        add(parser)
    args = parser.parse_args()
    if args.target4 is None and args.target6 is None:
        parser.error("give --target4, --target6 or both")
    return args


def run(main):
    """Exit status 0, or 1 with the sentence of a Failure."""
    try:
        main()
    except Failure as failure:
        sys.exit(f"{os.path.basename(sys.argv[0])}: {failure}")
    except PermissionError as error:
        sys.exit(f"{os.path.basename(sys.argv[0])}: {error}: raw sockets need CAP_NET_RAW")


def mac_bytes(text):
    return bytes(int(part, 16) for part in text.split(":"))


def checksum(data):
    """RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Wire:
    """One interface, one daemon."""

    def __init__(self, args):
        self.port = args.port
        self.target_mac = mac_bytes(args.target_mac)
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 << 20)
        try:
            self.socket.bind((args.iface, 0))
        except OSError as error:
            raise Failure(f"interface {args.iface}: {error.strerror}") from None
        self.mac = self._ioctl(args.iface, SIOCGIFHWADDR)[18:24]
        self.targets = {}  # family -> (our address, the daemon's), packed
        if args.target4:
            own = args.source4 or socket.inet_ntoa(self._ioctl(args.iface, SIOCGIFADDR)[20:24])
            self.targets[4] = (socket.inet_aton(own), socket.inet_aton(args.target4))
        if args.target6:
            own = args.source6 or self._address6(args.iface, args.target6)
            self.targets[6] = (
                ipaddress.IPv6Address(own).packed,
                ipaddress.IPv6Address(args.target6).packed,
            )

    def _ioctl(self, iface, request):
        try:
            return fcntl.ioctl(self.socket, request, struct.pack("256s", iface.encode()))
        except OSError as error:
            raise Failure(f"interface {iface} has no address ({error}): give --source4") from None

    @staticmethod
    def _address6(iface, target):
        wanted = ipaddress.IPv6Address(target).is_link_local
        with open("/proc/net/if_inet6", encoding="ascii") as lines:
            for line in lines:
                words = line.split()
                address = ipaddress.IPv6Address(bytes.fromhex(words[0]))
                if words[5] == iface and address.is_link_local == wanted:
                    return str(address)
        raise Failure(f"interface {iface} has no IPv6 address to reach {target}: give --source6")

    def udp(self, family, source_port, payload, destination_port=None):
        """A frame to the daemon."""
        own, target = self.targets[family]
        udp_bytes = 8 + len(payload)
        ports = struct.pack("!HHH", source_port, destination_port or self.port, udp_bytes)
        pseudo = own + target + struct.pack("!IHH", udp_bytes >> 16, udp_bytes & 0xFFFF, 17)
        total = checksum(pseudo + ports + b"\0\0" + payload) or 0xFFFF
        udp = ports + struct.pack("!H", total) + payload
        return self.ip(family, 17, udp)

    def ip(self, family, protocol, payload):
        own, target = self.targets[family]
        if family == 6:
            header = struct.pack("!IHBB", 6 << 28, len(payload), protocol, 255) + own + target
            return self.target_mac + self.mac + b"\x86\xdd" + header + payload
        head = struct.pack("!BBHHHBB", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, protocol)
        header = head + struct.pack("!H", checksum(head + b"\0\0" + own + target)) + own + target
        return self.target_mac + self.mac + b"\x08\x00" + header + payload

    def send(self, frame):
        self.socket.send(frame)

    def receive(self, quiet_s):
        """Yields the daemon's frames until none came for quiet_s seconds."""
        while select.select([self.socket], [], [], quiet_s)[0]:
            frame, address = self.socket.recvfrom(65536)
            if address[2] != PACKET_OUTGOING and frame[6:12] == self.target_mac:
                yield frame

    def lost(self):
        """Frames that the capture lost since the last call."""
        return struct.unpack("II", self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1]

    def answers(self, quiet_s):
        """Yields (family, our port, UDP payload, frame) of what the service port sends."""
        for frame in self.receive(quiet_s):
            answer = udp_parse(frame)
            if answer is not None and answer[1] == self.port:
                yield answer[0], answer[2], answer[3], frame

    def ask(self, family, source_port, payload, seconds=3.0):
        """Sends until somebody answers; the first answer's payload. Failure after some seconds."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.send(self.udp(family, source_port, payload))
            for _, port, answer, _ in self.answers(0.2):
                if port == source_port:
                    return answer
        raise Failure(f"no answer over IPv{family} to a well-formed GET within {seconds:.0f} s")


def udp_parse(frame):
    """(family, source port, destination port, payload), or None."""
    kind = frame[12:14]
    if kind == b"\x08\x00" and len(frame) >= 42 and frame[23] == 17:
        family, at = 4, 14 + (frame[14] & 15) * 4
    elif kind == b"\x86\xdd" and len(frame) >= 62 and frame[20] == 17:
        family, at = 6, 54
    else:
        return None
    source, destination, length = struct.unpack_from("!HHH", frame, at)
    return family, source, destination, frame[at + 8 : at + length]


def request(kind, size, token=NO_TOKEN, version=1, chunk=bytes(32), echo=b"strange!"):
    """A request of any type, greedy and - where its size allows - well-formed; cut to size."""
    flags, slice_bytes, first, mask = 0, 1408, 0, (1 << 64) - 1
    extension = b""
    if size > GET_BYTES + 3:
        value = size - GET_BYTES - 4
        extension = struct.pack("!HH", 0, value) + bytes(value)
    head = struct.pack("!BBHHHQ", kind, version, flags, slice_bytes, first, mask) + echo + token
    return (head + chunk + struct.pack("!HH", len(extension), 0) + extension)[:size]
