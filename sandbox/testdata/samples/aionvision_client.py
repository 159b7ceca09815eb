"""A client as people write them who follow a page on errors.

It takes 200 alone for success and everything else below 429 for an error of JSON, Retry-After for a number of
seconds, and lets lost connections through.
"""
import random

import requests

from look import base, done, faults, keys, look, pause


class Refused(Exception):
    def __init__(self, code, request_id):
        super().__init__(code)
        self.code, self.request_id = code or "without a code", request_id


class GivenUp(Exception):
    pass


def send(method, path, tries=3, **options):
    for n in range(tries):
        answer = requests.request(method, base + path, headers=signed, timeout=10, **options)
        if answer.status_code == 200:
            return answer.json()
        if answer.status_code == 429:
            pause(int(answer.headers.get("Retry-After", 5)))
            continue
        if answer.status_code >= 500:
            pause(2**n + random.random() / 2)
            continue
        body = answer.json()
        raise Refused(body.get("error", {}).get("code"), body.get("request_id"))
    raise GivenUp(tries)


signed = {"Authorization": "Bearer " + keys["valid"]}
upload = {"files": {"file": ("notes.txt", b"a harbour at dawn", "text/plain")}}
look("a list", lambda: send("GET", "/user-files"), lambda got: got["total_count"])
look("a file that is stored", lambda: send("POST", "/user-files/upload/stream", **upload))
look("the same again", lambda: send("POST", "/user-files/upload/stream", **upload))
look("what is not there", lambda: send("GET", "/user-files/none"))
stored = send("GET", "/user-files")["files"][0]["id"]
look("a file that is deleted", lambda: send("DELETE", f"/user-files/{stored}"))
faults({"fault": {"error": "RATE_LIMIT_ERROR", "retry_after": "2"}})
look("too many calls", lambda: send("GET", "/user-files"))
faults({"fault": {"error": "RATE_LIMIT_ERROR", "retry_after": "date 2s"}})
look("a date to wait for", lambda: send("GET", "/user-files"))
faults({"fault": {"error": "USAGE_LIMIT_EXCEEDED", "retry_after": "2"}})
look("a month that is used up", lambda: send("GET", "/user-files"))
faults({"fault": {"error": "VLM_PROVIDER_ERROR"}})
look("a provider that is away", lambda: send("GET", "/user-files"))
faults({"fault": {"reset": "before"}})
look("a lost connection", lambda: send("GET", "/uploads/quota-check?file_count=1"))
done()
