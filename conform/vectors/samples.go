package vectors

import (
	"fmt"

	"github.com/failwell/failwell/contract"
)

// Samples makes a case of each code of a contract: the error as the API would
// send it, and that it is read back whole. They are beside those of the files,
// which are about what a client does then.
func Samples(name string) ([]Case, error) {
	c, err := Contract(name)
	if err != nil {
		return nil, err
	}
	cases := make([]Case, 0, len(c.Codes))
	for _, code := range c.Codes {
		x := Case{
			Name: name + ": " + code.Name + " is read back", Contract: name, Pos: &Position{code.Pos.File, code.Pos.Line},
			Client: Settings{Attempts: 1}, Call: &Request{Path: "/"}, Script: []Step{sampleStep(c, code)},
			Expect: Expected{Requests: Seen{Count: 1}, Error: sampleError(c, code)},
		}
		if err := x.settle(); err != nil {
			return nil, fmt.Errorf("%s: %w", x.Name, err)
		}
		cases = append(cases, x)
	}
	return cases, nil
}

func sampleStep(c *contract.Contract, code *contract.Code) Step {
	sample := c.Sample(code)
	step := Step{Status: sample.Status, Headers: map[string]string{"Content-Type": sample.MediaType}, Body: string(sample.Body)}
	for _, h := range sample.Headers {
		step.Headers[h.Name] = h.Value
	}
	return step
}

// sampleError is what of the sample its envelope carries.
func sampleError(c *contract.Contract, code *contract.Code) *ExpectedError {
	f := c.SampleFailure(code)
	e := code.Envelope
	stopped := "advice"
	if c.RetryFor(code, f.Status).Retryable() {
		stopped = "attempts"
	}
	wire, of, id := code.Error(), string(f.Condition), f.RequestID
	retry, origin := string(c.RetryFor(code, f.Status)), "server"
	x := &ExpectedError{
		Code: &wire, Known: &code.Name, Condition: &of, Status: &f.Status, Stopped: &stopped, Origin: &origin, Retry: &retry, RequestID: &id,
	}
	if e.Carries("message") {
		message := c.MessageOf(&f)
		x.Message = &message
	}
	if len(code.Friendly) > 0 && len(code.Friendly[0].Names()) == 0 {
		friendly := c.FriendlyOf(&f)
		x.Friendly = &friendly
	}
	return x
}
