"""A client as people write them who follow a page on errors.

It takes 200 alone for success, so that an accepted job is sent again; and what it raises for a client's error is of
the class that it catches.
"""
import requests

from look import base, done, faults, keys, look, pause


def send(url, body, tries=3):
    for n in range(tries):
        try:
            answer = requests.post(url, json=body, headers=signed, timeout=10)
            if answer.status_code == 200:
                return answer.json()
            if answer.status_code in (429, 500, 503):
                pause(2**n)
            else:
                answer.raise_for_status()
        except requests.exceptions.RequestException:
            if n == tries - 1:
                raise
            pause(2**n)
    raise Exception("all tries are used up")  # noqa: TRY002 - that it says no more is the fault


signed = {"Authorization": "Bearer " + keys["valid"]}
good = {"srtContent": "1\n00:00:01,000 --> 00:00:02,000\nhello\n", "sourceLanguage": "en-US", "targetLanguage": "es-ES"}
look("a job", lambda: send(f"{base}/v1/translate", good))
look("jobs of it", lambda: requests.get(f"{base}/v1/jobs", headers=signed, timeout=10).json(), lambda got: got["total"])
look("a job of nothing", lambda: send(f"{base}/v1/translate", {}))
faults({"fault": {"error": "SERVICE_UNAVAILABLE"}})
look("unavailable", lambda: send(f"{base}/v1/translate", good))
done()
