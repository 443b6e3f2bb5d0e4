"""Calls to the kernel that no program needs and that lead out, refused by a seccomp filter of its own.

In a container it stands beside Docker's profile, which in some versions of the Engine lets through io_uring and sockets
of virtual machines (AF_VSOCK), which reach the hypervisor from any network namespace. On the host it is the only one.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from .system import PR_SET_SECCOMP, checked, prctl_pointer

# Name, and its numbers on x86_64 and on aarch64.
_CALLS = """
    add_key 248 217             request_key 249 218         keyctl 250 219              bpf 321 280
    perf_event_open 298 241     userfaultfd 323 282         io_uring_setup 425 425      io_uring_enter 426 426
    io_uring_register 427 427   unshare 272 97              setns 308 268               mount 165 40
    umount2 166 39              pivot_root 155 41           open_tree 428 428           move_mount 429 429
    fsopen 430 430              fsconfig 431 431            fsmount 432 432             fspick 433 433
    mount_setattr 442 442       kexec_load 246 104          kexec_file_load 320 294     init_module 175 105
    finit_module 313 273        delete_module 176 106       open_by_handle_at 304 265   name_to_handle_at 303 264
    kcmp 312 272                quotactl 179 60             quotactl_fd 443 443         acct 163 89
    swapon 167 224              swapoff 168 225             reboot 169 142              syslog 103 116
    fanotify_init 300 262       lookup_dcookie 212 18       memfd_secret 447 447
"""
# Memory of these belongs to no process, so that a limit per process does not count it.
_MEMORY = "memfd_create 319 279"
_CLONE, _CLONE3, _SOCKETS = (56, 220), (435, 435), ((41, 198), (53, 199))
_FAMILIES = (1, 2, 10, 16)  # UNIX, INET, INET6, NETLINK
_NAMESPACES = 0x7E020000  # every CLONE_NEW... flag that clone takes
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_X32 = 0x40000000
_SECCOMP = (317, 277)
_GET_ACTION_AVAIL = 2
_MODE_FILTER = 2

_LINE = struct.Struct("HBBI")
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCH, _FIRST_ARGUMENT = 0, 4, 16
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000


def refusals(memory: bool) -> bytes | None:
    """The filter, None where this kernel has none or the calls of this machine are not known here; `memory`: it also
    refuses memory that belongs to no process."""
    machine = _MACHINES.get(os.uname().machine)
    if machine is None:
        return None
    action = ctypes.c_uint32(_ERROR)
    try:
        checked("syscall", _SECCOMP[machine[0]], _GET_ACTION_AVAIL, 0, ctypes.byref(action))
    except OSError:
        return None
    return b"".join(_program(*machine, memory))


def refuse(code: bytes) -> None:
    """Puts the filter on this process and all that it starts, for good. Needs `no_new_privs`."""
    lines = ctypes.create_string_buffer(code)
    # struct sock_fprog: a number of lines and where they are.
    prctl_pointer(PR_SET_SECCOMP, _MODE_FILTER, struct.pack("HP", len(code) // _LINE.size, ctypes.addressof(lines)))


def _program(column: int, arch: int, memory: bool) -> list[bytes]:
    words = (_CALLS + (_MEMORY if memory else "")).split()
    code = [
        _line(_LOAD, _ARCH), *_unless(_EQUAL, arch, errno.ENOSYS),
        _line(_LOAD, _NUMBER), *_if(_AT_LEAST, _X32, errno.ENOSYS), *_if(_EQUAL, _CLONE3[column], errno.ENOSYS),
    ]  # fmt: skip
    for at in range(0, len(words), 3):
        code += _if(_EQUAL, int(words[at + 1 + column]), errno.EPERM)
    allow = _line(_RETURN, _ALLOW)
    flags = [_line(_LOAD, _FIRST_ARGUMENT), *_if(_ANY_BIT, _NAMESPACES, errno.EPERM), allow]
    code += [_line(_EQUAL, _CLONE[column], 0, len(flags)), *flags]
    families = [_line(_LOAD, _FIRST_ARGUMENT)]
    for n, family in enumerate(_FAMILIES):
        families.append(_line(_EQUAL, family, len(_FAMILIES) - n, 0))
    families.append(_line(_RETURN, _ERROR | errno.EAFNOSUPPORT))
    socket, pair = (numbers[column] for numbers in _SOCKETS)
    code += [_line(_EQUAL, socket, 1, 0), _line(_EQUAL, pair, 0, len(families)), *families, allow]
    return code


def _line(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    """One `struct sock_filter`; a jump counts the lines that it leaves out."""
    return _LINE.pack(code, then, otherwise, value)


def _if(test: int, value: int, error: int) -> list[bytes]:
    return [_line(test, value, 0, 1), _line(_RETURN, _ERROR | error)]


def _unless(test: int, value: int, error: int) -> list[bytes]:
    return [_line(test, value, 1, 0), _line(_RETURN, _ERROR | error)]
