package guess

import (
	"slices"
	"strings"
)

// failing reports whether an object says of itself that it is a failure.
func failing(n *node) bool {
	if !n.is(kindObject) {
		return false
	}
	return slices.ContainsFunc(n.kids, func(kid *node) bool { return admits(kid, n) })
}

// admits holds for a member that says that the object n is a failure.
func admits(kid, n *node) bool {
	switch kid.norm {
	case "error", "err", "fault", "exception", "errorresponse", "serviceexception":
		return errorMember(kid, n)
	case "errors", "errormessages", "errorlist":
		return !kid.empty()
	case "ok", "success", "succeeded", "issuccess", "successful", "issuccessful", "requestsuccessful":
		v, known := kid.truth()
		return known && !v && (kid.kind == kindBool || telling(n) > 0)
	case "haserror", "haserrors", "iserror", "failed", "iserrored":
		v, known := kid.truth()
		return known && v && kid.kind == kindBool
	case "status", "stat", "result", "state", "ack", "outcome":
		return statusWord(kid, n)
	case "type", "object", "kind":
		s := strings.ToLower(kid.str())
		return s == "error" || s == "error.list" || s == "status" && strings.EqualFold(n.get("status").str(), "failure")
	case "errorcode", "errcode", "errno", "errcd", "errorno":
		return !kid.empty() && !successCode(kid.str())
	case "resultcode", "responsecode", "returncode":
		s := kid.str()
		return generic(s) && !successCode(s) && !pleased(s) || codeMember(kid, n)
	case "code", "statuscode", "retcode", "ret", "rescode", "cod", "bizcode", "infocode":
		return codeMember(kid, n)
	case "errortext":
		return !pleased(kid.str())
	case "errormessage", "errmsg", "errormsg", "errordescription":
		coded := n.get("errcode", "errorcode", "code", "errno") != nil || n.get("status").is(kindString)
		return !pleased(kid.str()) && !coded && !resource(n)
	}
	return false
}

// errorMember judges a member called error. A resource that keeps its own
// failure, such as a job, is not a failed call.
func errorMember(kid, n *node) bool {
	if kid.empty() || acquitted(kid) {
		return false
	}
	if kid.kind == kindNumber || kid.kind == kindString && pleased(kid.str()) {
		return kid.kind == kindNumber && n.get("message", "msg", "errormessage") != nil
	}
	return !resource(n)
}

// acquitted holds for an error object that is sent with every answer and says
// here that all went well: {"code":"ok","message":""}.
func acquitted(n *node) bool {
	code := n.get("code", "errorcode", "status")
	return code.str() != "" && successCode(code.str()) && pleased(n.get("message", "msg", "description").str())
}

// resource recognises a stored object: it has an identity and a life.
func resource(n *node) bool {
	if n.get("id", "uuid", "jobid", "runid", "taskid") == nil {
		return false
	}
	if n.get("jsonrpc") != nil {
		return false
	}
	return n.get("createdat", "created", "createtime", "updatedat", "object", "startedat", "completedat", "finishedat", "input", "progress") != nil
}

func statusWord(kid, n *node) bool {
	if kid.kind == kindObject || resource(n) {
		return false
	}
	if n.get("id", "name", "title") != nil && n.get("message", "error", "errors", "reason", "msg", "errormessage", "code") == nil {
		return false
	}
	s := strings.ToLower(kid.str())
	switch s {
	case "error", "fail", "failed", "failure", "err", "ko", "nok", "unsuccessful", "failurewithwarning":
		return telling(n) > 0 || !n.get("data", "errors", "error").empty() || len(n.kids) <= 2
	case "0":
		// "status": "0" fails where a text explains it.
		info := n.get("info", "message", "msg")
		return kid.kind == kindString && info.str() != "" && !pleased(info.str())
	case "not_found", "zero_results", "ok":
		return s == "not_found" && len(n.kids) <= 3
	}
	raw := kid.str()
	upper := strings.Contains(raw, "_") && strings.ToUpper(raw) == raw
	if upper && !n.get("errormessage").empty() {
		return true
	}
	if upper {
		_, weight := words().read(raw, true, 0).best()
		return weight >= 80
	}
	v, isNumber := kid.num()
	return isNumber && kid.kind == kindNumber && v >= 400 && v < 600 && telling(n) > 0
}

// codeMember judges a numeric or symbolic result code: it fails when it is no
// success code and a text beside it does not sound pleased.
func codeMember(kid, n *node) bool {
	s := kid.str()
	if s == "" || successCode(s) || resource(n) {
		return false
	}
	text := n.get("message", "msg", "errmsg", "errormessage", "info", "statusmessage", "retmsg", "returnmsg", "resultmsg",
		"errortype", "error", "errordetail", "desc", "description", "statusmsg")
	if v := httpStatus(s); v > 0 && kid.norm == "statuscode" && n.get("body").is(kindString) {
		return true // a whole response within the body
	}
	if text.str() == "" || pleased(text.str()) {
		return false
	}
	v, isNumber := kid.num()
	if isNumber && v == 1 && !n.get("data", "result").empty() {
		return false
	}
	if isNumber && v > 0 && v < 100 && kid.norm == "code" && n.up == nil && len(n.kids) > 6 {
		return false
	}
	if !isNumber && n.get("id", "name") != nil && kid.norm == "code" {
		return false // a country, a currency, a coupon
	}
	return n.get("id") == nil || kid.norm != "code"
}

func successCode(s string) bool {
	switch strings.ToLower(s) {
	case "", "0", "00", "000", "0000", "00000", "000000", "ok", "success", "succeed", "succeeded", "none", "null", "no_error", "success_ok", "accepted", "created":
		return true
	}
	return len(s) == 3 && s[0] == '2' || len(s) == 5 && strings.HasPrefix(s, "20000") || s == "10000"
}

// pleased recognises the texts of success.
//
//nolint:gosmopolitan // phrases of Chinese APIs
func pleased(s string) bool {
	switch strings.ToLower(strings.Trim(strings.TrimSpace(s), ".!")) {
	case "", "ok", "success", "successful", "succeeded", "succeed", "successfully", "no error", "none", "done", "true",
		"成功", "操作成功", "请求成功", "request success", "accepted", "created", "completed", "operation successful":
		return true
	}
	return false
}

// failure finds what in a tree says that a call with a good status failed.
func failure(root *node) *node {
	switch {
	case root == nil:
		return nil
	case root.kind == kindArray:
		items := root.kids[:min(len(root.kids), 100)]
		if i := slices.IndexFunc(items, failing); i >= 0 {
			return items[i]
		}
		return nil
	case failing(root), complaint(root):
		return root
	case resource(root):
		return nil
	}
	for _, kid := range root.kids {
		if found := failureBelow(kid); found != nil {
			return found
		}
	}
	return nil
}

// failureBelow looks into one member of an answer.
func failureBelow(kid *node) *node {
	switch kid.norm {
	case "usererrors", "failed", "failures", "partialfailureerror":
		if !kid.empty() && kid.kind != kindBool && kid.kind != kindNumber {
			return kid
		}
	case "failedrecordcount", "failedcount", "failurecount", "errorcount", "faileditemcount":
		if v, ok := kid.num(); ok && v > 0 {
			return kid
		}
	case "data":
		return userErrors(kid, 0)
	default:
		if wrapper(kid.norm) {
			return enclosed(kid)
		}
	}
	return nil
}

// wrapper names members that hold a whole answer or its head.
func wrapper(norm string) bool {
	switch norm {
	case "meta", "header", "response", "status", "result", "error", "fault", "rsp", "body", "envelope", "head", "baseresp",
		"responsestatus", "sys", "responseheader", "lfm", "root", "xml", "messages", "json":
		return true
	}
	return strings.HasSuffix(norm, "response")
}

// complaint holds for an object that has nothing but a note, and the note
// speaks of a limit, a key or a plan.
func complaint(root *node) bool {
	if root.kind != kindObject || len(root.kids) != 1 || !root.kids[0].is(kindString) {
		return false
	}
	switch root.kids[0].norm {
	case "note", "notice", "information", "info", "warning", "message", "msg", "detail":
		_, weight := words().read(root.kids[0].text, false, 0).best()
		return weight >= 85
	}
	return false
}

// enclosed looks one or two levels into a member that wraps a whole answer.
func enclosed(kid *node) *node {
	if kid.kind == kindObject && (kid.norm == "fault" || kid.norm == "error") {
		if acquitted(kid) {
			return nil
		}
		if len(kid.kids) > 0 && !resource(kid.up) {
			return kid
		}
	}
	if failing(kid) {
		return kid
	}
	for _, grand := range kid.kids {
		if grand.kind == kindObject && (failing(grand) || (grand.norm == "fault" || grand.norm == "error") && len(grand.kids) > 0) {
			return grand
		}
	}
	return nil
}

// userErrors finds the lists in which GraphQL mutations report refusals.
func userErrors(n *node, depth int) *node {
	for i, kid := range n.kids {
		if depth > 4 || i > 100 {
			break
		}
		switch kid.norm {
		case "usererrors", "mutationerrors", "customerusererrors", "clientmutationerrors":
			if !kid.empty() {
				return kid
			}
		}
		if kid.kind == kindObject {
			if found := userErrors(kid, depth+1); found != nil {
				return found
			}
		}
	}
	return nil
}

// partFailed finds the failing item of a bulk answer, below any list.
func partFailed(root *node) *node {
	var found *node
	root.each(2000, func(n *node) {
		if found != nil || n.kind != kindObject || n == root {
			return
		}
		if s, ok := n.get("status", "statuscode", "code", "httpstatus", "httpstatuscode").num(); ok && s >= 400 && s < 600 {
			found = n
			return
		}
		if !n.get("error", "errors", "errorcode", "errormessage").empty() || failing(n) {
			found = n
		}
	})
	return found
}
