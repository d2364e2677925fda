"""A fleet whose HAProxy has the weights of agent.py: tests/integration/fleet.py with a changed haproxy.cfg."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "integration"))

from agent import CALM, QUICK, Agent  # noqa: E402
from fleet import BUILD, Fleet  # noqa: E402 (it is found by the line above)

__all__ = ["BUILD", "POLICIES", "Weighted"]

WEIGHT = 256  # of a server that has 100 %
POLICIES = {  # balancer.policy; what is balanced by under the weights, and their tuning
    "roundrobin": ("roundrobin", None, None),
    "random(2)": ("random(2)", None, None),
    "leastconn": ("leastconn", None, None),
    "central": ("central", None, None),
    "adaptive": ("roundrobin", "roundrobin", CALM),
    "adaptive quick": ("roundrobin", "roundrobin", QUICK),
    "adaptive+least": ("roundrobin", "leastconn", CALM),
    "adaptive+least quick": ("roundrobin", "leastconn", QUICK),
}


class Weighted(Fleet):
    """A fleet whose HAProxy asks an agent for weights."""

    def __init__(self, policy, options, **more):
        word, self.algorithm, tuning = POLICIES[policy]
        self.agent = Agent(tuning) if tuning else None
        super().__init__({**options, "balancer.policy": word}, balancer=True, **more)

    def render(self, output=None):
        super().render(output)
        if not self.agent:
            return
        path = self.directory / "haproxy.cfg"
        lines = path.read_text().splitlines()
        for i, line in enumerate(lines):
            if line == "\tbalance roundrobin":
                lines[i] = f"\tbalance {self.algorithm}"
            elif line.startswith("\tserver worker"):
                slot = line.split()[1].removeprefix("worker")
                lines[i] += (f" weight {WEIGHT} agent-check agent-addr 127.0.0.1 agent-port {self.agent.port}"
                             f" agent-inter {1000 * self.agent.tuning.ask:.0f}ms agent-send \"{slot}\\n\"")
        path.write_text("\n".join(lines) + "\n")

    def __enter__(self):
        super().__enter__()
        if self.agent:
            self.agent.start(self.admin)
        return self

    def __exit__(self, *error):
        if self.agent:
            self.agent.stop()
        super().__exit__(*error)

    def weights(self):
        """What HAProxy works with, in percent."""
        return [100 * int(row["weight"]) / WEIGHT for row in self.servers()]

    def taken(self):
        return [int(row["stot"]) for row in self.servers()]
