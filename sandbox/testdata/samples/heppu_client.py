"""A client as people write them who follow a page on errors: it takes every answer for JSON."""
import requests

from look import base, done, faults, keys, look


def ask(url, **options):
    answer = requests.get(url, timeout=10, **options)
    try:
        answer.raise_for_status()
    except requests.exceptions.HTTPError as err:
        print_safe(err.response.json()["error"]["message"])
        raise
    return answer.json()


def print_safe(message):
    assert message


signed = {"x-api-key": keys["valid"]}
look("a list", lambda: ask(f"{base}/agents", headers=signed), lambda got: got["data"]["pagination"]["total"])
look("a key that is none", lambda: ask(f"{base}/agents", headers={"x-api-key": "none"}))
faults({"fault": {"status": 502, "body": "html", "content_type": "text/html"}})
look("a proxy's page", lambda: ask(f"{base}/agents", headers=signed))
done()
