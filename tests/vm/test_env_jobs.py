# SPDX-License-Identifier: GPL-2.0-or-later
"""Jobs of an environment (R2), in real containers: as its user, with its limits, past the end of daemon and helper."""

import json

from labkit.cluster import Cluster
from labkit.environment import DIRECTORY, Environments
from labkit.vmtest import vmtest


def submit(n1, words: str, more: str = "") -> int:
    return json.loads(n1.output(f"hyperchain job submit -u alice --json {more} {words}"))["id"]


def job(n1, number: int) -> dict:
    return json.loads(n1.output(f"hyperchain job show {number} --json"))["job"]


def until(lab, n1, number: int, *states: str, limit: float = 60) -> dict:
    lab.wait_for(lambda: job(n1, number)["state"] in states, limit, f"job {number} is {' or '.join(states)}")
    return job(n1, number)


def output(n1, number: int) -> str:
    return n1.output(f"hyperchain job show {number} --output")


@vmtest(nodes=1, mem=640, disk=2048, timeout=600, kernels=("6.12",))
def test_R2_jobs_in_an_environment(lab):
    c = Cluster(lab).up()
    n1 = lab.node(1)
    box = Environments(n1).start()
    n1.run("hyperchain cluster init jobs --encrypt none")
    lab.wait_for(lambda: json.loads(n1.output("hyperchain cluster show --json"))["cluster"].get("controller") == 1, 30,
                 "node 1 is the controller")
    # An emulated machine is busy: this is not about loads.
    n1.run("hyperchain config set balance_high 2 && hyperchain config set candidate_max 2")
    n1.wait_for("hyperchain user request alice --units 30", 30)
    waiting = submit(n1, "id -un")
    assert job(n1, waiting)["state"] == "queued", job(n1, waiting)
    box.create("alice", "--memory 256M")
    c.say("alice is made")

    def kill_both():
        n1.run("kill -9 $(cat /run/container.pid); rm -f /run/hyperchain/container.sock")
        c.stop_daemon(n1)

    # What waited for the container begins: as alice, at home, in a cgroup of its own below the environment's.
    assert until(lab, n1, waiting, "ended")["status"] == 0 and output(n1, waiting) == "alice", output(n1, waiting)
    number = submit(n1, "sh -c 'pwd; id -u; cat /proc/self/cgroup; cat; echo $HOME; exit 5'")
    assert until(lab, n1, number, "ended")["status"] == 5, job(n1, number)
    said = output(n1, number).split("\n")
    assert said == ["/home/alice", "1000", f"0::/job-{number}.1", "/home/alice"], said
    # What the kernel tells it of the machine is what /proc shows.
    number = submit(n1, "sh -c 'getconf _PHYS_PAGES; grep MemTotal /proc/meminfo; nproc'")
    until(lab, n1, number, "ended")
    told = output(n1, number).split()
    assert int(told[0]) * 4 == int(told[2]) < 600 << 10 and told[4] == "1", told
    # All that it wrote, in pieces, to a reader that is slow to come; and no more than is kept.
    number = submit(n1, "sh -c 'yes 0123456789abcde | head -c 16777216'")
    until(lab, n1, number, "ended")
    assert n1.output(f"hyperchain job show {number} --output | wc -c", 300) == "16777216"
    assert n1.output(f"hyperchain job show {number} --output | sort -u", 300) == "0123456789abcde"
    c.say("16 MiB of output are whole")
    number = submit(n1, "no-such-program")
    assert "no-such-program" in until(lab, n1, number, "failed")["why"], job(n1, number)
    # Stopped with what it started in the background.
    number = submit(n1, "sh -c '(setsid sleep 3001 &); exec sleep 3002'")
    n1.wait_for("pgrep -x -f 'sleep 3001' && pgrep -x -f 'sleep 3002'", 60)
    n1.run(f"hyperchain job stop {number} --wait")
    assert job(n1, number)["state"] == "stopped" and job(n1, number)["status"] == 143, job(n1, number)
    assert n1.run("pgrep -f 'sleep 300[12]'", check=False).status == 1, "a process is left behind"
    # Daemon and helper are killed, and the job ends meanwhile.
    ends = submit(n1, "sh -c 'while [ ! -e end0 ]; do sleep 0.2; done; echo 0'")
    until(lab, n1, ends, "running")
    kill_both()
    n1.run(f"touch {DIRECTORY}/env/alice/root/home/alice/end0")
    n1.wait_for(f"test -e {DIRECTORY}/job/{ends}.1/status", 30)
    c.start_daemon(n1)
    box.start_helper()
    assert until(lab, n1, ends, "ended")["status"] == 0 and output(n1, ends) == "0", job(n1, ends)
    c.say("a job that ended while nobody looked has its status")
    goes = submit(n1, "sh -c 'while [ ! -e end1 ]; do sleep 0.2; done; echo 1'")
    until(lab, n1, goes, "running")
    kill_both()
    c.start_daemon(n1)
    box.start_helper()
    assert until(lab, n1, goes, "running")["run"] == 1, job(n1, goes)
    # Its keeper is killed: its program goes, too, and it begins anew.
    keeper = n1.output(f"awk -v i=:$(stat -c %i {DIRECTORY}/job/{goes}.1/keeper) '$6 ~ i \"$\" {{ print $5 }}' /proc/locks")
    n1.run(f"kill -9 {keeper}")
    lab.wait_for(lambda: job(n1, goes)["run"] == 2 and job(n1, goes)["state"] == "running", 60, "it begins anew")
    assert n1.output("pgrep -c -f 'while .*end[1]'").strip() == "1", "both runs are there"
    n1.run(f"touch {DIRECTORY}/env/alice/root/home/alice/end1")
    assert until(lab, n1, goes, "ended")["status"] == 0 and output(n1, goes) == "1", job(n1, goes)
    assert len(json.loads(n1.output("hyperchain job list --all --json"))["jobs"]) == 8
    n1.run("hyperchain env del alice", 120)
    lab.check()
