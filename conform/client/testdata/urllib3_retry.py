"""requests with the retries of urllib3, as guides recommend them."""

import os
import sys

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

session = requests.Session()
session.mount("http://", HTTPAdapter(max_retries=Retry(total=2, backoff_factor=0.4, status_forcelist=[429, 500, 502, 503, 504], allowed_methods=None)))
answer = session.post(sys.argv[1] + "/notes", json={"text": "hello"}, headers={"X-Api-Key": os.environ["FAILWELL_KEY"]})
print(answer.text)
answer.raise_for_status()
