"""What the vendor's Python client makes of the sandbox at the origin in argv.

Keys come by standard input, what was seen goes out as JSON.
"""
import json
import sys
import urllib.request

from hume import HumeClient
from hume.core import ApiError
from hume.core.request_options import RequestOptions
from hume.expression_measurement.batch import Face, InferenceBaseRequest, Language, Models

origin = sys.argv[1]
keys = json.load(sys.stdin)
facts = {}


def control(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{origin}/_sandbox/{path}", data, method=method)
    with urllib.request.urlopen(request) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def client(key):
    return HumeClient(api_key=key, base_url=origin).expression_measurement.batch


def attempts(work):
    control("DELETE", "journal")
    work()
    return " ".join(str(e["status"]) for e in control("GET", "journal")["entries"])


def told(work):
    try:
        work()
        return "no error"
    except ApiError as err:
        body = err.body if isinstance(err.body, dict) else {}
        code = body.get("code") or body.get("fault", {}).get("faultstring") or "without a code"
        return f"ApiError {err.status_code} {code}"
    except Exception as err:  # noqa: BLE001 - which one it is is the news
        return f"{type(err).__module__.split('.')[0]}.{type(err).__name__}"


good = client(keys["valid"])


def done(job):
    control("POST", "clock", {"advance": "1h"})
    return good.get_job_details(job).state.status


text = good.start_inference_job(text=["I am happy and glad."], models=Models(language=Language()))
facts["a new job"] = good.get_job_details(text).state.status
facts["predictions too early"] = told(lambda: good.get_job_predictions(text, request_options=RequestOptions(max_retries=0)))
facts["text"] = done(text)
found = good.get_job_predictions(text)
facts["emotions of a text"] = len(found[0].results.predictions[0].models.language.grouped_predictions[0].predictions[0].emotions)
media = good.start_inference_job(urls=["https://media.example/face.mp4"], models=Models(face=Face()))
facts["address"] = done(media)
facts["face"] = type(good.get_job_predictions(media)[0].results.predictions[0].models.face.grouped_predictions[0].predictions[0].box.w).__name__
file = good.start_inference_job_from_local_file(
    file=[("calm.txt", b"calm and quiet", "text/plain")], json=InferenceBaseRequest(models=Models(language=Language()))
)
facts["file"] = done(file)
facts["artifacts"] = b"".join(good.get_job_artifacts(file))[:2].decode()
facts["list"] = len(good.list_jobs(limit=2, status=["COMPLETED", "FAILED"]))

for code in ["bad_request", "unauthorized", "not_found", "request_timeout", "conflict", "too_many_requests", "internal_server_error", "service_unavailable"]:
    options = RequestOptions(additional_headers={"X-Sandbox-Error": code}, max_retries=0)
    facts[f"error {code}"] = told(lambda: good.list_jobs(request_options=options))
facts["a revoked key"] = told(lambda: client(keys["revoked"]).list_jobs())
for code in ["request_timeout", "conflict", "too_many_requests", "internal_server_error", "service_unavailable", "bad_request"]:
    control("PUT", "faults", {"rules": [{"nth": "1", "fault": {"error": code, "retry_after": "1"}}]})
    facts[f"attempts after {code}"] = attempts(lambda: told(lambda: client(keys["test"]).list_jobs(request_options=RequestOptions(max_retries=2))))
control("PUT", "faults", {"rules": [{"nth": "1", "fault": {"error": "service_unavailable", "headers": {"retry-after-ms": "1"}, "missing": ["Retry-After"]}}]})
facts["attempts after retry-after-ms"] = attempts(lambda: told(lambda: client(keys["test"]).list_jobs(request_options=RequestOptions(max_retries=2))))
control("PUT", "faults", {"rules": [{"nth": "1", "fault": {"reset": "before"}}]})
facts["attempts after a reset"] = attempts(lambda: facts.update({"error of a reset": told(lambda: client(keys["test"]).list_jobs())}))
control("PUT", "faults", {"rules": [{"fault": {"delay": "3s"}}]})
facts["error of a timeout"] = told(lambda: client(keys["test"]).list_jobs(request_options=RequestOptions(timeout_in_seconds=1, max_retries=0)))
control("PUT", "faults", {"rules": [{"fault": {"status": 502, "body": "html", "content_type": "text/html"}}]})
facts["a page of a proxy"] = told(lambda: client(keys["test"]).list_jobs(request_options=RequestOptions(max_retries=0)))
control("PUT", "faults", {"rules": [{"fault": {"body": "malformed"}}]})
facts["broken JSON"] = told(lambda: client(keys["test"]).list_jobs(request_options=RequestOptions(max_retries=0)))
json.dump(facts, sys.stdout, indent=1)
