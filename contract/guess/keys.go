package guess

// The names under which the world's APIs put things, normalised as by normKey,
// with a rank: how sure one may be of a value found there.

// codeKeys rank the members that may hold the machine-readable identity.
var codeKeys = map[string]int{
	"code": 100, "errorcode": 100, "ecode": 95, "typekey": 78, "errcode": 100, "errorcd": 95, "errno": 96, "faultcode": 90, "subcode": 98,
	"errorsubcode": 60, "codename": 102, "codestring": 102, "stringcode": 102, "codetext": 80, "apicode": 98, "apierrorcode": 100,
	"resultcode": 88, "responsecode": 84, "retcode": 88, "returncode": 88, "ret": 80, "rescode": 88, "bizcode": 90,
	"infocode": 90, "messagecode": 88, "msgcode": 88, "msgid": 70, "messageid": 60, "internalcode": 84, "servicecode": 80,
	"errorname": 92, "errorkey": 90, "errortype": 82, "errorslug": 92, "type": 62, "errorstatus": 70,
	"error": 78, "err": 74, "errors": 50, "reason": 72, "errorreason": 80, "failurereason": 72, "name": 52, "id": 46, "status": 56,
	"statuscode": 50, "category": 48, "slug": 60, "tag": 88, "kind": 44, "key": 44, "symbol": 60, "result": 50,
	"issue": 66, "keyword": 60, "exceptioncode": 86, "statusname": 60, "oautherror": 80, "oauthproblem": 80,
	"lerrorcode": 90, "errormessagekey": 70, "i18nkey": 50, "translationkey": 50, "identifier": 48, "label": 30, "rule": 40, "detailedcode": 92,
	"declinecode": 60, "cod": 50, "title": 26, "errorid": 60, "message": 30, "errormessage": 30, "msg": 28, "detail": 24,
	"exceptionname": 80, "exceptiontype": 80, "errornum": 97, "errornumber": 97,
}

// messageKeys rank the members that may hold the human sentence.
var messageKeys = map[string]int{
	"message": 100, "errormessage": 99, "errmsg": 98, "msg": 96, "errormsg": 98, "errordescription": 97, "errordesc": 94,
	"detail": 95, "errordetail": 92, "errordetails": 60, "details": 62, "detailmessage": 90, "description": 84, "desc": 80,
	"reason": 75, "errorreason": 70, "error": 73, "err": 72, "errors": 72, "title": 60, "info": 84, "text": 74, textKey: 82, "faultstring": 92,
	"summary": 60, "errorsummary": 92, "submsg": 101, "statusmessage": 86, "statustext": 40, "statusdescription": 50,
	"displaymessage": 56, "usermessage": 56, "usertext": 50, "usertitle": 30, "developermessage": 78, "devmessage": 78,
	"internalmessage": 50, "localizedmessage": 50, "returnmsg": 90, "retmsg": 90, "resultmsg": 90, "resultmessage": 90,
	"returnmessage": 90, "responsemessage": 88, "responsemsg": 88, "longmessage": 88, "llongmessage": 88, "lshortmessage": 50,
	"shortmessage": 50, "exceptionmessage": 104, "explanation": 82, "problem": 60, "cause": 34, "hint": 20, "errormessages": 98,
	"messages": 70, "errortext": 92, "faultmessage": 90, "exceptiontext": 95, "oauthproblemadvice": 80, "warning": 20, "value": 18, "issue": 50,
	"errorinfo": 60, "errorlist": 60, "failurereason": 80, "nonfielderrors": 60, "formerrors": 40, "body": 20, "content": 20, "resultdescription": 90,
	"errorfriendly": 40, "subtitle": 40, "comment": 30, "diagnostics": 70, "reasontext": 70, "resultinfo": 40, "fault": 60, "moreinfo": 10,
	"note": 50, "notice": 50, "information": 50, "result": 40,
}

// idKeys rank the members that may name the request.
var idKeys = map[string]int{
	"requestid": 100, "xrequestid": 100, "reqid": 98, "requestuuid": 98, "requestidentifier": 96, "serverrequestid": 94,
	"amznrequestid": 96, "requestguid": 96, "requestnumber": 70, "apirequestid": 98, "httprequestid": 96, "requesttoken": 40,
	"requestref": 80, "requestreference": 80, "rqid": 80, "rndrqid": 60, "xreqid": 96,
	"debugid": 82, "traceid": 76, "xtraceid": 76, "trace": 50, "traceidentifier": 76, "correlationid": 78, "xcorrelationid": 78,
	"corrid": 74, "fbtraceid": 80, "errorid": 64, "erroruuid": 64, "errorreference": 64, "errorref": 64, "incidentid": 68, "incident": 40,
	"eventid": 54, "logid": 62, "logref": 56, "activityid": 62, "instance": 58, "referenceid": 58, "reference": 42, "refid": 50,
	"rid": 60, "transactionid": 52, "supportid": 62, "supportreference": 62, "trackingid": 62, "trackid": 60, "rayid": 44, "cfray": 44, "ray": 40,
	"invocationid": 56, "operationid": 40, "pspreference": 50, "clientrequestid": 30, "sessionid": 0, "ticketid": 50,
	"ticket": 30, "exceptionid": 56, "uniqueid": 30, "reqno": 60, "requestno": 60, "callid": 30, "errorinstanceid": 62, "diagnosticid": 56,
	"problemid": 56, "faultid": 56, "responseid": 40, "messageuuid": 30,
}

// containers are the members that hold an error object, most telling first.
var containers = []string{
	"error", "errors", "err", "fault", "exception", "errorresponse", "errordetail", "errorinfo", "apierror", "serviceexception", "policyexception",
	"requesterror", "failure", "problem", "errorcollection", "errordata", "errorlist", "errs",
	"response", "body", "envelope", "rsp", "meta", "header", "responseheader", "responsestatus", "status", "resultinfo", "baseresp", "sys",
	"detail", "message", "result", "data", "errordetails", "ack", "methodresponse", "root",
}

// locators are the members that say which part of the request an issue is about.
var locators = []string{
	"field", "fieldname", "fields", "param", "parameter", "paramname", "parametername", "loc", "source", "instancepath", "datapath",
	"pointer", "jsonpointer", "jsonpath", "propertypath", "property", "propertyname", "path", "attribute", "attributename", "attr", "target",
	"argument", "argumentname", "element", "key", "name", "fieldpath", "violationpath", "fielderror", "errorpath", "fieldid", "inputname",
	"locator", "invalidparameter", "queryparametername", "expression",
}

// issueTexts are the members that hold the sentence of one issue.
var issueTexts = []string{
	"message", "msg", "errormessage", "errorsummary", "helpmessage", "description", "detail", "defaultmessage", "errordescription",
	"usermessage", "reason", "issue", "error",
	"errormsg", "title", "text", textKey, "summary", "problem", "errors", "messages", "info", "details", "code", "errorcode", "type", "rule", "keyword",
}

// fieldMaps are the members whose value may map field names to messages.
var fieldMaps = map[string]bool{
	"errors": true, "error": true, "fielderrors": true, "validationerrors": true, "validationmessages": true,
	"validation": true, "validations": true,
	"violations": true, "invalidparams": true, "invalidparameters": true, "failures": true, "messages": true, "message": true,
	"fields": true, "invalidfields": true,
	"modelstate": true, "details": true, "detail": true, "errordetails": true, "formerrors": true, "data": true, "issues": true,
	"properties": true, "fieldmessages": true,
	"invalidattributes": true, "invalid": true, "fieldviolations": true, "errormap": true, "inputerrors": true,
}

// nobodysField are the keys under which a field map keeps issues of the whole.
var nobodysField = map[string]bool{
	"nonfielderrors": true, "all": true, "base": true, "formerrors": true, "errors": true, "global": true, "": true, "general": true, "root": true,
}

// pathHeads are leading path segments that name a part of the request, and the
// part that they name.
var pathHeads = map[string]string{
	"body": "body", "query": "query", "querystring": "query", "path": "path", "params": "path", "header": "header", "headers": "header", "cookie": "header",
	"cookies": "header", "requestbody": "body", "formdata": "body", "form": "body", "json": "body", "urlparam": "path",
}
