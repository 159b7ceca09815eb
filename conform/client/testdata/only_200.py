"""A loop as documents print it: it takes 200 alone for a success, and catches what it raises itself."""

import os
import sys
import time

import requests


def post(url, body, tries=3):
    for n in range(tries):
        try:
            answer = requests.post(url, json=body, headers={"X-Api-Key": os.environ["FAILWELL_KEY"]})
            if answer.status_code == 200:
                return answer.json()
            if answer.status_code in (429, 500, 503):
                time.sleep(0.4 * 2**n)
            else:
                answer.raise_for_status()
        except requests.RequestException:
            if n == tries - 1:
                raise
            time.sleep(0.4 * 2**n)
    raise SystemExit("all tries failed")


print(post(sys.argv[1] + "/notes", {"text": "hello"}))
