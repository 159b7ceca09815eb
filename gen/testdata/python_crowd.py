"""Plays a crowd of clients, each as of a process of its own, on a clock of its own.

The API is whoever reads standard output: each call is a line there, and its answer a
line of standard input. The arguments are the folder of a generated package, and a
JSON object, see crowd in gen/crowd_test.go.
"""

import heapq
import importlib
import json
import random
import sys

NANOSECONDS = 10**9


class Answer:
    def __init__(self, package, told):
        self.status = told["status"]
        self.headers = package.Headers(told["headers"].items())
        self.body = told["body"].encode()

    def limit(self, deadline):
        """Nothing takes any time to read."""

    def read(self, most):
        data, self.body = self.body, b""
        return data


class Crowd:
    def __init__(self, crowd):
        self.package = importlib.import_module("crowd_client")
        self.steps = importlib.import_module("crowd_client._steps")
        self.now, self.random = 0, random.Random(1)
        self.ends = crowd["seconds"] * NANOSECONDS
        self.due, self.numbers = [], 0
        for _ in range(crowd["processes"]):
            runtime = self.package.Runtime(
                now=lambda: self.now, monotonic=lambda: self.now
            )
            client = self.package.Client(
                "http://api", max_attempts=1 << 20, max_wait=0, runtime=runtime
            )
            for _ in range(crowd["workers"]):
                self.numbers += 1
                work = self.work(client, self.numbers)
                self.come_back(self.random.random(), self.numbers, work)

    def come_back(self, seconds, number, work):
        at = self.now + round(seconds * NANOSECONDS)
        heapq.heappush(self.due, (at, number, work))

    def run(self):
        while self.due[0][0] < self.ends:
            self.now, number, work = heapq.heappop(self.due)
            self.come_back(next(work), number, work)

    def work(self, client, number):
        """Call for ever; what is yielded is how many seconds to wait."""
        while True:
            course = client.course("GET", "/parcels", {})
            done = None
            try:
                while True:
                    step = course.send(done)
                    done = None
                    if isinstance(step, self.steps.Pause):
                        yield step.seconds
                    elif isinstance(step, self.steps.Send):
                        yield self.random.random() * 0.004
                        done = self.ask(number)
                    elif isinstance(step, self.steps.Read):
                        done = step.answer.read(step.most)
            except StopIteration:
                pass

    def ask(self, number):
        call = {"at_ns": self.now, "caller": number}
        sys.stdout.write(json.dumps(call) + "\n")
        sys.stdout.flush()
        return Answer(self.package, json.loads(sys.stdin.readline()))


sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
Crowd(json.loads(sys.argv[2])).run()
