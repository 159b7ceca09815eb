"""A loop as documents print it: it takes every hint for a whole number, waits after its last try, and loses what failed."""

import os
import random
import sys
import time

import requests


def call(method, url, tries=3, **options):
    for n in range(tries):
        answer = requests.request(method, url, **options)
        if answer.status_code == 200:
            return answer.json()
        if answer.status_code == 429:
            time.sleep(int(answer.headers.get("Retry-After", 1)))
            continue
        if answer.status_code >= 500:
            time.sleep(0.4 * 2**n + random.random() * 0.4)
            continue
        raise SystemExit(f"failed: {answer.json()}")
    raise SystemExit(f"failed {tries} times")


headers = {"X-Api-Key": os.environ["FAILWELL_KEY"], "Idempotency-Key": str(random.random())}
print(call("POST", sys.argv[1] + "/notes", json={"text": "hello"}, headers=headers))
