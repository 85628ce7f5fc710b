# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of the lab itself: what all other tests stand on."""

import hashlib
import os
import subprocess
import sys
import tempfile
import time

from labkit import CommandFailed, GuestDied, Lab, LabError, Timeout
from labkit import accel, image, paths
from labkit.vmtest import vmtest

CI = ("ci",)
ONE_KERNEL = ("6.1",)


def expect(kind: type[Exception], function, *arguments, **keywords) -> Exception:
    """@function must raise @kind; returns the exception."""
    try:
        function(*arguments, **keywords)
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was not raised")


@vmtest(nodes=3, mem_of={2: 256}, tags=CI, timeout=180)
def test_clones_are_machines_of_their_own(lab, kernel):
    facts = [node.output("hostname; cat /etc/machine-id /sys/class/net/eth0/address; "
                         "head -c 16 /dev/urandom | od -An -tx1; ssh-keygen -q -t ed25519 -N '' -f k; cat k.pub")
             for node in lab.nodes]
    for lines in zip(*(fact.splitlines() for fact in facts)):
        assert len(set(lines)) == 3, f"clones share {lines[0]}"
    for node in lab.nodes:
        assert node.output("uname -r").startswith(kernel + ".")
        assert abs(int(node.output("date +%s")) - time.time()) < 5
        node.run("ping -c 1 -W 5 n1 && ping -c 1 -W 5 n2 && ping -c 1 -W 5 n3")
    memory_kb = [int(node.output("awk '/MemTotal/ { print $2 }' /proc/meminfo")) for node in lab.nodes]
    assert memory_kb[1] < memory_kb[0] * 0.6, memory_kb


@vmtest(nodes=1, tags=CI, kernels=ONE_KERNEL, share=True)
def test_exec_tells_streams_and_status_apart(lab):
    node = lab.node(1)
    result = node.run("echo out; echo err >&2; exit 7", check=False)
    assert (result.status, result.stdout, result.stderr) == (7, "out\n", "err\n")
    assert node.run(["sh", "-c", "kill -9 $$"], check=False).status == 137
    assert node.run(["no-such-command"], check=False).status == 127
    error = expect(CommandFailed, node.run, "echo why >&2; false")
    assert "why" in str(error) and "status 1" in str(error)
    assert node.run(["printf", "%s|", "a b", "", "$x"]).stdout == "a b||$x|"
    assert node.run("cat", stdin="fed").stdout == "fed"
    assert "MAX_PAYLOAD" not in str(expect(LabError, node.run, "true " + "x" * 20000))


@vmtest(nodes=1, tags=CI, kernels=ONE_KERNEL, share=True)
def test_exec_is_bounded_and_leaves_daemons_alone(lab):
    node = lab.node(1)
    expect(Timeout, node.run, "sleep 321; echo", timeout=1)
    node.wait_for("! pgrep -x sleep", timeout=10)
    started = time.monotonic()
    node.run("setsid sleep 300 & echo started")
    assert time.monotonic() - started < 30, "a daemon left behind held the command up"
    node.run("pkill -x sleep")


@vmtest(nodes=1, tags=CI, kernels=ONE_KERNEL, share=True)
def test_big_output_and_parallel_commands(lab):
    node = lab.node(1)
    # Nobody reads this one: it must not hold up the others.
    stuck = node.command("yes")
    many = [node.start(f"head -c 3000000 /dev/zero | tr '\\0' {chr(97 + k)}; echo {k} >&2") for k in range(6)]
    for k, running in enumerate(many):
        result = running.wait(60)
        assert result.stdout == chr(97 + k) * 3000000
        assert result.stderr == f"{k}\n"
    stuck.close()
    node.wait_for("! pgrep -x yes", timeout=10)


@vmtest(nodes=1, tags=CI, kernels=ONE_KERNEL, share=True)
def test_push_and_pull_keep_content_and_mode(lab):
    node = lab.node(1)
    with tempfile.TemporaryDirectory() as here:
        data = os.urandom(5_000_001)
        path = os.path.join(here, "data")
        with open(path, "wb") as f:
            f.write(data)
        os.chmod(path, 0o750)
        node.push(path, "/tmp/deep/er/")
        assert node.output("stat -c %a /tmp/deep/er/data") == "750"
        assert node.output("sha256sum < /tmp/deep/er/data").split()[0] == hashlib.sha256(data).hexdigest()
        node.pull("/tmp/deep/er/data", path + ".back")
        with open(path + ".back", "rb") as f:
            assert f.read() == data
        os.mkdir(os.path.join(here, "tree"))
        os.symlink("nowhere", os.path.join(here, "tree", "link"))
        node.push(os.path.join(here, "tree"), "/tmp/tree")
        assert node.output("readlink /tmp/tree/link") == "nowhere"
        assert "No such file" in str(expect(CommandFailed, node.pull, "/tmp/none", path + ".none"))
        assert not os.path.exists(path + ".none")


@vmtest(nodes=1, mem=256, tags=CI, timeout=180)
def test_agent_answers_while_memory_is_short(lab):
    node = lab.node(1)
    node.run("mkswap /dev/vdb && swapon /dev/vdb && mkdir /sys/fs/cgroup/hog")
    hog = node.start("echo 0 >/sys/fs/cgroup/hog/cgroup.procs; "
                     "exec stress-ng --vm 1 --vm-bytes 320M --vm-keep --vm-method flip -t 100")
    node.wait_for("test $(awk '/^pswpout/ { print $2 }' /proc/vmstat) -gt 2000", timeout=120)
    for _ in range(5):
        node.run("true", timeout=20)
    assert node.output("cat /sys/fs/cgroup/host/memory.swap.current") == "0"
    hog.kill()


@vmtest(nodes=2, tags=CI, kernels=ONE_KERNEL, share=True, timeout=180)
def test_cut_and_heal(lab):
    n1, n2 = lab.nodes
    reach = "ping -c 1 -W 2 n2"
    n1.wait_for(reach)
    for cut, heal in ((n2.cut, n2.heal), (lambda: n1.cut(n2), n1.heal)):
        cut()
        assert n1.run(reach, check=False).status
        assert n2.output("cat /sys/class/net/eth0/carrier") == "1", "a cut must be silent"
        heal()
        n1.wait_for(reach)


@vmtest(nodes=2, tags=CI, kernels=ONE_KERNEL, share=True, timeout=180)
def test_slow_and_fast(lab):
    n1 = lab.node(1)
    rtt_ms = "ping -c 5 -i 0.2 -W 5 n2 | sed -n 's|.*= [^/]*/\\([^./]*\\).*|\\1|p'"
    n1.slow(delay="200ms")
    assert int(n1.output(rtt_ms)) >= 200
    n1.slow(loss="100%")
    assert n1.run("ping -c 1 -W 1 n2", check=False).status
    assert "delay" not in n1.output("tc qdisc show dev eth0"), "slow must not add to what was set"
    n1.fast()
    assert int(n1.output(rtt_ms)) < 150


@vmtest(nodes=2, tags=CI, kernels=ONE_KERNEL, share=True, timeout=180)
def test_freeze_and_thaw(lab):
    n1, n2 = lab.nodes
    for stop_clock in (False, True):
        n2.freeze(stop_clock=stop_clock)
        assert n2.state() == "frozen"
        assert n1.run("ping -c 1 -W 1 n2", check=False).status
        expect(Timeout, n2.run, "true", timeout=1)
        n2.thaw()
        n2.run("true")
        n1.wait_for("ping -c 1 -W 2 n2")


@vmtest(nodes=2, tags=CI, kernels=ONE_KERNEL, share=True, timeout=180)
def test_killed_machine_comes_back_fresh(lab):
    n1, n2 = lab.nodes
    n2.run("echo kept | dd of=/dev/vdb bs=512 conv=sync,fsync 2>/dev/null; touch /gone")
    running = n2.start("sleep 300")
    n2.kill()
    assert n2.state() == "off"
    assert "switched off" in str(expect(CommandFailed, running.wait, 10))
    expect(LabError, n2.run, "true")
    n2.boot()
    assert n2.output("head -c 4 /dev/vdb") == "kept"
    n2.run("test ! -e /gone")
    n1.wait_for("ping -c 1 -W 2 n2")


@vmtest(nodes=1, tags=CI, timeout=180)
def test_panic_is_found_and_shown(lab):
    node = lab.node(1)
    error = expect(GuestDied, node.run, "echo c >/proc/sysrq-trigger")
    assert "sysrq triggered crash" in str(error) and "Call Trace" in str(error)
    lab.wait_for(lambda: node.state() == "died", 20)
    expect(GuestDied, lab.check)
    node.allow_death()
    lab.check()


@vmtest(nodes=1, tags=CI, kernels=ONE_KERNEL, timeout=180)
def test_splat_of_a_living_kernel_is_found(lab):
    node = lab.node(1)
    node.run("echo '<4>WARNING: CPU: 0 PID: 1 at mm/made_up.c:1 test' >/dev/kmsg; echo all is well >/dev/kmsg")
    lab.wait_for(lambda: "all is well" in node.console(), 10)
    assert "made_up" in str(expect(GuestDied, lab.check))
    node.allow_splat("made_up")
    lab.check()


@vmtest(nodes=0, tags=CI, kernels=ONE_KERNEL, timeout=180)
def test_lab_ends_by_itself(kernel):
    lab = Lab(1, kernel=kernel, life=3).up()
    pids = [lab.keeper_pid, lab.status()["nodes"][0]["pid"]]
    lab.wait_for(lambda: not any(os.path.exists(f"/proc/{pid}/exe") for pid in pids[1:]), 20, "end of life")
    lab.wait_for(lambda: not lab.is_up(), 20, "end of the keeper")
    expect(LabError, Lab.attach, lab.name)
    lab.down()
    assert not lab.directory.exists()


@vmtest(nodes=0, tags=CI, kernels=ONE_KERNEL, timeout=180)
def test_guests_die_with_their_keeper(kernel):
    lab = Lab(1, kernel=kernel, life=60).up()
    guest = lab.status()["nodes"][0]["pid"]
    os.kill(lab.keeper_pid, 9)
    lab.wait_for(lambda: not os.path.exists(f"/proc/{guest}"), 10, "end of the guest")
    lab.down()
    assert not lab.directory.exists()


RUNNER_CASES = """
import os
from labkit.vmtest import Skip, vmtest

@vmtest(nodes=0, tags=("ci",))
def test_passes(kernel):
    assert kernel == os.environ["HC_EXPECTED"]

@vmtest(nodes=0, tags=("ci",))
def test_fails(kernel):
    assert kernel == "none", "a reason"

@vmtest(nodes=0, tags=("ci",), timeout=1)
def test_hangs():
    while True:
        pass

@vmtest(nodes=0, tags=("ci",))
def test_vanishes():
    os._exit(0)

@vmtest(nodes=0, tags=("ci",))
def test_skips():
    raise Skip("no reason")

@vmtest(nodes=1, tags=("ci",), share=True)
def test_panics(lab):
    lab.node(1).run("echo c >/proc/sysrq-trigger", check=False)

@vmtest(nodes=1, tags=("ci",), share=True)
def test_gets_a_new_lab(lab):
    lab.node(1).run("true")

@vmtest(nodes=1, tags=("ci",))
def test_runs_again_after_the_emulator_failed(lab):
    marker = __file__ + ".ran"
    if not os.path.exists(marker):
        open(marker, "w").close()
        lab.node(1).run("echo 'BUG: made up' >/dev/kmsg; echo 'RSP: 0000:ffffc90000003ea0 EFLAGS: 05703483' >/dev/kmsg")
        raise AssertionError("the emulator, or the test itself")
    raise AssertionError("the test itself")

@vmtest(nodes=0, tags=("soak",))
def test_is_for_the_night():
    raise AssertionError
"""


@vmtest(nodes=0, tags=CI, kernels=ONE_KERNEL, timeout=180)
def test_runner_sees_every_way_to_fail(kernel):
    with tempfile.TemporaryDirectory() as here:
        file = os.path.join(here, "test_cases.py")
        with open(file, "w") as f:
            f.write(RUNNER_CASES)
        done = subprocess.run([sys.executable, paths.VM_DIR / "run", "--kernel", kernel, file],
                              capture_output=True, text=True, env={**os.environ, "HC_EXPECTED": kernel})
    print(done.stdout, done.stderr)
    lines = done.stdout.splitlines()
    verdicts = {line.split()[1].partition(".")[2]: line.split()[0]
                for line in lines if line[:4] in ("ok  ", "FAIL", "skip")}
    assert verdicts == {
        "test_passes": "ok", "test_fails": "FAIL", "test_hangs": "FAIL", "test_vanishes": "FAIL",
        "test_skips": "skip", "test_panics": "FAIL", "test_gets_a_new_lab": "ok",
        "test_runs_again_after_the_emulator_failed": "FAIL"}, verdicts
    # Where KVM runs the guests, nothing is the emulator's fault.
    is_emulated = accel.choose(image.ensure(kernel)) == "tcg"
    assert [line[:4] for line in lines].count("EMUL") == is_emulated
    again = ", 1 run was repeated for the emulator's fault" if is_emulated else ""
    assert lines[-1] == f"2 passed, 5 failed, 1 skipped{again}"
    assert "BUG: made up" in done.stdout
    assert done.returncode == 1
    for text in ("a reason", "the test itself", "the test's time was over here", "ended without a verdict", "sysrq triggered crash"):
        assert text in done.stdout, text


LANE_CASES = """
import os
import time
from labkit.vmtest import vmtest

def met(own, other):
    open(f"{__file__}.{own}", "w").close()
    deadline = time.monotonic() + 30
    while not os.path.exists(f"{__file__}.{other}"):
        if time.monotonic() > deadline:
            raise AssertionError("nobody else ran")
        time.sleep(0.01)

@vmtest(nodes=0, tags=("ci",))
def test_one():
    met("one", "two")
    print("what a test printed")
    raise AssertionError("seen")

@vmtest(nodes=0, tags=("ci",))
def test_two():
    met("two", "one")

@vmtest(nodes=0, tags=("ci",), alone=True)
def test_alone():
    assert os.path.exists(f"{__file__}.one"), "it ran beside the others"

@vmtest(nodes=0, tags=("ci",), timeout=1)
def test_hangs():
    while True:
        pass
"""


@vmtest(nodes=0, tags=CI, kernels=ONE_KERNEL, timeout=180)
def test_runner_runs_tests_together(kernel):
    with tempfile.TemporaryDirectory() as here:
        file = os.path.join(here, "test_lanes.py")
        with open(file, "w") as f:
            f.write(LANE_CASES)
        done = subprocess.run([sys.executable, paths.VM_DIR / "run", "-j", "2", "--kernel", kernel, file],
                              capture_output=True, text=True)
    print(done.stdout, done.stderr)
    lines = done.stdout.splitlines()
    verdicts = {line.split()[1].partition(".")[2]: line.split()[0] for line in lines if line[:4] in ("ok  ", "FAIL")}
    assert verdicts == {"test_one": "FAIL", "test_two": "ok", "test_alone": "ok", "test_hangs": "FAIL"}, verdicts
    assert lines[-1] == "2 passed, 2 failed" and done.returncode == 1
    assert "what a test printed" in done.stdout and "ran beside" not in done.stdout
