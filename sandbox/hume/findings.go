package hume

import (
	"archive/zip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/failwell/failwell/sandbox/stand"
)

// syntheticHeader marks findings that nobody measured.
const syntheticHeader = "X-Sandbox-Synthetic"

func (h *api) predictions(w http.ResponseWriter, r *http.Request) error {
	j, err := h.find(r)
	if err != nil {
		return err
	}
	if err := h.ended(&j); err != nil {
		return err
	}
	w.Header().Set(syntheticHeader, "true")
	return stand.WriteJSON(w, http.StatusOK, j.findings())
}

// findings is one element for each source.
func (j *job) findings() []any {
	out := make([]any, 0, len(j.Sources))
	for i := range j.Sources {
		s := &j.Sources[i]
		results := map[string]any{"predictions": []any{}, "errors": []any{}}
		if s.Fault != "" {
			results["errors"] = []any{map[string]string{"message": s.Fault, "file": s.name(i)}}
		} else {
			results["predictions"] = []any{map[string]any{"file": s.name(i), "models": j.models(s)}}
		}
		out = append(out, map[string]any{"source": s.show(), "results": results, "error": nil})
	}
	return out
}

func (s *source) show() map[string]any {
	switch s.Type {
	case fromURL:
		return map[string]any{"type": s.Type, "url": s.URL}
	case fromFile:
		return map[string]any{"type": s.Type, "filename": s.Filename, "content_type": s.ContentType, "md5sum": s.MD5}
	}
	return map[string]any{"type": s.Type}
}

func (s *source) name(i int) string {
	switch s.Type {
	case fromURL:
		return s.URL[strings.LastIndexByte(s.URL, '/')+1:]
	case fromFile:
		return s.Filename
	}
	return "text_" + strconv.Itoa(i) + ".txt"
}

// models are what was asked for, as far as it fits the source.
func (j *job) models(s *source) map[string]any {
	out := map[string]any{}
	for name := range j.Request.Models {
		switch text := name == "language" || name == "ner"; {
		case text && s.Text != "":
			out[name] = ofText(name, s.Text)
		case !text && s.Binary:
			out[name] = ofMedia(name, s)
		}
	}
	return out
}

func grouped(metadata any, predictions ...any) map[string]any {
	return map[string]any{"metadata": metadata, "grouped_predictions": []any{map[string]any{"id": "unknown", "predictions": predictions}}}
}

// ofText measures each line of a text by the lexicon.
func ofText(model, text string) map[string]any {
	var out []any
	begin := 0
	for line := range strings.SplitSeq(text, "\n") {
		end := begin + len(line)
		if trimmed := strings.TrimSpace(line); trimmed != "" {
			item := map[string]any{
				"position": map[string]int{"begin": begin, "end": end}, "time": nil, "confidence": nil, "speaker_confidence": nil, "emotions": felt(trimmed),
			}
			if model == "ner" {
				word, _, _ := strings.Cut(trimmed, " ")
				item["entity"], item["entity_confidence"], item["support"], item["uri"], item["link_word"] = word, 0.5, 0.1, "", word
			} else {
				item["text"], item["sentiment"], item["toxicity"] = trimmed, nil, nil
			}
			out = append(out, item)
		}
		begin = end + 1
	}
	return grouped(map[string]any{"confidence": 1.0, "detected_language": "en"}, out...)
}

// ofMedia makes something up that has the shape of a finding.
func ofMedia(model string, s *source) map[string]any {
	chance := madeUp(model + s.MD5 + s.URL)
	emotions := synthetic(chance)
	span := map[string]float64{"begin": 0, "end": 1 + 4*chance.Float64()}
	switch model {
	case "face":
		return grouped(nil, map[string]any{
			"frame": 0, "time": 0.0, "prob": 0.99, "box": map[string]float64{"x": 10, "y": 10, "w": 100 * chance.Float64(), "h": 100 * chance.Float64()},
			"emotions": emotions, "facs": nil, "descriptions": nil,
		})
	case "facemesh":
		return grouped(nil, map[string]any{"emotions": emotions})
	case "burst":
		return grouped(nil, map[string]any{"time": span, "emotions": emotions, "descriptions": []any{}})
	}
	return grouped(map[string]any{"confidence": 0.5, "detected_language": "en"}, map[string]any{
		"text": nil, "time": span, "confidence": nil, "speaker_confidence": nil, "emotions": emotions,
	})
}

// artifacts is an archive with a table and the findings of each source.
func (h *api) artifacts(w http.ResponseWriter, r *http.Request) error {
	j, err := h.find(r)
	if err != nil {
		return err
	}
	if err := h.ended(&j); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", `attachment; filename="`+j.ID+`.zip"`)
	w.Header().Set(syntheticHeader, "true")
	archive := zip.NewWriter(w)
	for i, found := range j.findings() {
		s := &j.Sources[i]
		text, err := json.MarshalIndent(found, "", "  ")
		if err != nil {
			return fmt.Errorf("artifacts: %w", err)
		}
		folder := fmt.Sprintf("%s-%d/", s.Type, i)
		if err := add(archive, folder+"predictions.json", j.Ended, text); err != nil {
			return err
		}
		if err := add(archive, folder+"emotions.csv", j.Ended, table(s)); err != nil {
			return err
		}
	}
	if err := archive.Close(); err != nil {
		return fmt.Errorf("artifacts: %w", err)
	}
	return nil
}

func add(archive *zip.Writer, name string, at int64, content []byte) error {
	f, err := archive.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: time.UnixMilli(at).UTC()})
	if err == nil {
		_, err = f.Write(content)
	}
	if err != nil {
		return fmt.Errorf("artifacts: %w", err)
	}
	return nil
}

func table(s *source) []byte {
	var out strings.Builder
	w := csv.NewWriter(&out)
	emotions := felt(s.Text)
	if s.Text == "" {
		emotions = synthetic(madeUp(s.MD5 + s.URL))
	}
	_ = w.Write([]string{"emotion", "score"}) // a strings.Builder does not fail
	for _, e := range emotions {
		_ = w.Write([]string{e.Name, strconv.FormatFloat(e.Score, 'f', 4, 64)})
	}
	w.Flush()
	return []byte(out.String())
}
