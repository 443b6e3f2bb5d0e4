"""Hostile programs, each with what must be true of its execution when it was contained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from clew.sandbox import Execution

# A name that a program gives itself and all its children, so that they are found from outside.
NAMED = 'open("/proc/self/comm", "w").write("{mark}")\n'


def printed(text: str) -> Callable[[Execution], bool]:
    return lambda done: done.stdout.strip().splitlines()[-1:] == [text]


def timed_out(done: Execution) -> bool:
    return done.timed_out


@dataclass(frozen=True)
class Attack:
    """`against` names the protections that stop it: where one of them is reported as inactive, that report is what
    counts. In the program, {mark}, {secret}, {port} and {host} stand for a name for its processes, a file of the host
    that all may read, and a port of the host's loopback and its address."""

    program: str
    contained: Callable[[Execution], bool]
    against: tuple[str, ...]
    seconds: float = 10


ATTACKS = {
    "fork bomb": Attack(
        """
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
""",
        timed_out,
        ("processes",),
        seconds=2,
    ),
    "threads": Attack(
        """
import threading, time
n = 0
try:
    while True:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        n += 1
except RuntimeError:
    print(n < 40)
""",
        printed("True"),
        ("processes",),
    ),
    "memory bomb": Attack(
        """
kept = []
while True:
    kept.append(bytearray(8 << 20))
""",
        lambda done: done.oom,
        ("memory",),
    ),
    "memory bomb of many processes": Attack(
        """
import os, time
for _ in range(8):
    if os.fork() == 0:
        kept = bytearray(100 << 20)
        time.sleep(60)
time.sleep(60)
""",
        lambda done: done.oom,
        ("memory in sum",),
        seconds=4,
    ),
    "disk fill": Attack(
        """
import errno, os
n = 0
try:
    while True:
        with open(f'file-{n}', 'wb') as file:
            file.write(bytes(1 << 20))
        n += 1
except OSError as error:
    print(error.errno == errno.ENOSPC and n <= 16)
""",
        printed("True"),
        ("disk",),
    ),
    "disk fill in one file": Attack(
        """
try:
    with open('file', 'wb') as file:
        while True:
            file.write(bytes(1 << 20))
except OSError:
    import os
    print(os.path.getsize('file') <= 16 << 20)
""",
        printed("True"),
        (),
    ),
    "many files": Attack(
        """
n = 0
try:
    while n < 10 ** 6:
        open(f'f{n}', 'w').close()
        n += 1
except OSError:
    print('stopped')
""",
        printed("stopped"),
        ("disk",),
    ),
    "output without end": Attack(
        """
import os
while True:
    os.write(1, b'x' * 65536)
""",
        lambda done: done.timed_out and len(done.stdout) < 70000 < done.truncated,
        ("output", "time"),
        seconds=1,
    ),
    "busy loop that ignores signals": Attack(
        """
import signal
for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, signal.SIG_IGN)
while True:
    pass
""",
        timed_out,
        ("time",),
        seconds=1,
    ),
    "stopped process": Attack(
        """
import os, signal
os.kill(os.getpid(), signal.SIGSTOP)
""",
        timed_out,
        ("time",),
        seconds=1,
    ),
    "daemonised child": Attack(
        """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    for n in range(3):
        os.close(n)
    time.sleep(600)
print('gone on')
""",
        printed("gone on"),
        (),
    ),
    "network by address": Attack(
        """
import socket
try:
    socket.create_connection(('192.0.2.1', 80), 3)
except OSError as error:
    print('unreachable' if error.errno in (99, 101) else error)
""",
        printed("unreachable"),
        ("network",),
    ),
    "network of the host": Attack(
        """
import socket
try:
    socket.create_connection(('127.0.0.1', {port}), 3)
except ConnectionRefusedError:
    print('refused')
""",
        printed("refused"),
        ("network",),
    ),
    "DNS": Attack(
        """
import socket
try:
    socket.getaddrinfo('example.org', 80)
except OSError:
    print('no name')
""",
        printed("no name"),
        ("network",),
    ),
    "raw sockets": Attack(
        """
import socket
try:
    socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)
except PermissionError:
    print('no')
""",
        printed("no"),
        ("privileges",),
    ),
    "files of the host": Attack(
        """
try:
    print(open('{secret}').read())
except OSError:
    print('none')
""",
        printed("none"),
        ("host files",),
    ),
    "environment of the host": Attack(
        """
import glob, os
seen = repr(dict(os.environ))
for path in glob.glob('/proc/*/environ'):
    try:
        seen += open(path).read()
    except OSError:
        pass
print('SECRET_OF_THE_HOST' in seen)
""",
        printed("False"),
        (),
    ),
    "processes of the host": Attack(
        """
import os
print(max(int(name) for name in os.listdir('/proc') if name.isdigit()) < 20000
      and len([name for name in os.listdir('/proc') if name.isdigit()]) < 5)
""",
        printed("True"),
        ("host processes",),
    ),
    "writing outside": Attack(
        """
import os
written = []
for root, folders, _ in os.walk('/'):
    if root.startswith(('/proc', '/sys', os.getcwd(), '/tmp', '/dev/shm', '/dev/mqueue')):
        folders.clear()
        continue
    if root.count('/') > 2:
        folders.clear()
    try:
        open(os.path.join(root, 'mine'), 'w').close()
        written.append(root)
    except OSError:
        pass
print(written)
""",
        printed("[]"),
        ("host files",),
        seconds=30,
    ),
    "the Docker socket": Attack(
        """
import socket
open_ones = []
sockets = ('/var/run/docker.sock', '/run/docker.sock', '/run/containerd/containerd.sock')
for path in sockets:
    try:
        socket.socket(socket.AF_UNIX).connect(path)
        open_ones.append(path)
    except OSError:
        pass
print(open_ones)
""",
        printed("[]"),
        (),
    ),
    "pokes into /proc and /sys": Attack(
        """
import os
done = []
for path in ('/proc/sysrq-trigger', '/proc/sys/kernel/core_pattern', '/proc/sys/kernel/hostname',
             '/proc/sys/vm/drop_caches', '/proc/1/mem', '/proc/1/oom_score_adj', '/proc/kcore', '/dev/mem',
             '/sys/kernel/uevent_helper', '/sys/power/state', '/sys/fs/cgroup/release_agent',
             '/sys/fs/cgroup/memory/memory.limit_in_bytes', '/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/cgroup.procs'):
    try:
        os.close(os.open(path, os.O_RDWR))
        done.append(path)
    except OSError:
        pass
print(done)
""",
        printed("[]"),
        (),
    ),
    "mounts, devices and other namespaces": Attack(
        """
import ctypes, os
libc = ctypes.CDLL(None)
done = [libc.mount(b'none', b'/tmp', b'tmpfs', 0, None), libc.unshare(0x00020000), libc.sethostname(b'x', 1),
        libc.chroot(b'/tmp'), libc.reboot(0x1234567), libc.settimeofday(b'0' * 16, None)]
try:
    os.mknod('device', 0o600 | 0o060000, os.makedev(8, 0))
    done.append(0)
except OSError:
    pass
print(set(done) == {-1})
""",
        printed("True"),
        ("privileges",),
    ),
    "a new user namespace": Attack(
        """
import ctypes
print(ctypes.CDLL(None).unshare(0x10000000))
""",
        printed("-1"),
        ("system calls",),
    ),
    "setuid": Attack(
        """
import os, subprocess
got = []
for attempt in (lambda: os.setuid(0), lambda: os.seteuid(0), lambda: os.setgid(0)):
    try:
        attempt()
        got.append(attempt)
    except OSError:
        pass
for path in ('/bin/su', '/usr/bin/passwd', '/bin/mount'):
    if os.path.exists(path):
        done = subprocess.Popen([path], stdin=-3, stdout=-3, stderr=-3)
        got += [path for line in open(f'/proc/{done.pid}/status') if line.startswith('Uid') and line.split()[2] == '0']
        done.kill()
status = open('/proc/self/status').read()
print(got, 'CapEff:\\t0000000000000000' in status, 'NoNewPrivs:\\t1' in status)
""",
        printed("[] True True"),
        ("privileges",),
    ),
    "ptrace and signals against the supervisor": Attack(
        """
import ctypes, os, signal
libc = ctypes.CDLL(None)
got = []
mine = {os.getpid()}
for pid in [int(name) for name in os.listdir('/proc') if name.isdigit()]:
    if pid in mine:
        continue
    if libc.ptrace(16, pid, None, None) == 0:
        got.append(('ptrace', pid))
    for name in ('mem', 'fd', 'environ', 'maps'):
        try:
            path = f'/proc/{pid}/{name}'
            got.append((name, pid, os.listdir(path) if name == 'fd' else open(path, 'rb').read(1)))
        except OSError:
            pass
    try:
        os.kill(pid, signal.SIGKILL)
        os.kill(pid, signal.SIGSTOP)
    except OSError:
        pass
try:
    os.kill(-1, signal.SIGTERM)
except OSError:
    pass
print([x for x in got if x[-1]])
""",
        printed("[]"),
        ("host processes",),
    ),
    "the parent's death": Attack(
        """
import os, signal
try:
    os.kill(os.getppid(), signal.SIGKILL)
except OSError:
    pass
print('alive')
""",
        printed("alive"),
        ("host processes",),
    ),
    "the control stream": Attack(
        """
import glob, os, struct
reply = b'{"id": "0", "exit": 0, "sizes": []}'
frame = struct.pack('!IQ', len(reply), 0) + reply
reached = []
for path in glob.glob('/proc/[0-9]*/fd/*'):
    if not path.startswith((f'/proc/{os.getpid()}/',)):
        try:
            os.write(os.open(path, os.O_WRONLY), frame)
            reached.append(path)
        except OSError:
            pass
for number in range(3, 2000):
    try:
        os.write(number, frame)
        reached.append(number)
    except OSError:
        pass
os.write(2, frame * 100)
print(reached)
""",
        printed("[]"),
        ("host processes",),
    ),
    "System V shared memory": Attack(
        """
import ctypes
print(ctypes.CDLL(None).shmget(0x1234, 4096, 0o1666) >= 0)
""",
        printed("True"),
        ("host IPC",),
    ),
    "sockets to the hypervisor and other families": Attack(
        """
import socket
got = []
for family in range(1, 64):
    for kind in (1, 2, 3, 5):
        try:
            socket.socket(family, kind).close()
            got.append(family)
        except OSError:
            pass
print(set(got) <= {1, 2, 10, 16})
""",
        printed("True"),
        ("system calls",),
    ),
    "calls that programs do not need": Attack(
        """
import ctypes, os
libc, space = ctypes.CDLL(None), ctypes.create_string_buffer(256)
machine = {'x86_64': 0, 'aarch64': 1}[os.uname().machine]
calls = {'add_key': (248, 217), 'keyctl': (250, 219), 'bpf': (321, 280), 'perf_event_open': (298, 241),
         'userfaultfd': (323, 282), 'io_uring_setup': (425, 425), 'setns': (308, 268), 'fsopen': (430, 430),
         'open_by_handle_at': (304, 265), 'memfd_secret': (447, 447), 'clone3': (435, 435)}
given = {'add_key': (b'user', b'k', b'v', 1, -4), 'keyctl': (0, -3, 1), 'io_uring_setup': (1, space),
         'userfaultfd': (1,), 'bpf': (0, space, 72), 'fsopen': (b'tmpfs', 0)}
print([name for name in calls if libc.syscall(calls[name][machine], *given.get(name, (0, 0, 0, 0, 0))) >= 0])
""",
        printed("[]"),
        ("system calls",),
    ),
    "a namespace by clone": Attack(
        """
import ctypes, os
number = {'x86_64': 56, 'aarch64': 220}[os.uname().machine]
pid = ctypes.CDLL(None).syscall(number, 0x10000000 | 17, 0, 0, 0, 0)
if pid == 0:
    os._exit(0)
print(pid)
""",
        printed("-1"),
        ("system calls",),
    ),
    "memory that belongs to no process": Attack(
        """
import os
kept = []
try:
    while True:
        kept.append(os.memfd_create('m'))
        os.write(kept[-1], bytes(8 << 20))
except OSError as error:
    print(len(kept))
""",
        lambda done: done.oom or done.stdout == "0\n",
        ("memory", "system calls"),
    ),
    "System V memory without end": Attack(
        """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
n = 0
while (id := libc.shmget(0, 8 << 20, 0o1600)) >= 0:
    address = libc.shmat(id, None, 0)
    ctypes.memset(address, 1, 8 << 20)
    libc.shmdt(ctypes.c_void_p(address))
    n += 1
print(n <= 2)
""",
        lambda done: done.oom or printed("True")(done),
        ("memory in sum",),
    ),
}
