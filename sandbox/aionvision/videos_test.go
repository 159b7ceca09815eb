package aionvision_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/sandbox"
	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/pebblestore"
)

// film is a video that is being sent.
type film struct {
	*server

	as, media, upload string
	size, chunk       int
	links             []string
	// last is how long the last chunk is, as announced.
	last int
}

// begin initiates a video of so many bytes.
func (s *server) begin(as string, size int) *film {
	s.Helper()
	got := s.call(as, "POST", "/video-uploads/initiate", fmt.Sprintf(`{"filename":"ships.mp4","content_type":"video/mp4","size_bytes":%d,"tags":["sea"],"metadata":{"k":"v"}}`, size)).ok(s.T, 201)
	var out struct {
		Media  string `json:"media_id"`
		Upload string `json:"upload_id"`
		Chunk  int    `json:"chunk_size_bytes"`
		Chunks []struct {
			Number int    `json:"chunk_number"`
			Size   int    `json:"size_bytes"`
			URL    string `json:"upload_url"`
		} `json:"chunks"`
	}
	if err := json.Unmarshal([]byte(got.body), &out); err != nil {
		s.Fatal(err)
	}
	f := &film{server: s, as: as, media: out.Media, upload: out.Upload, size: size, chunk: out.Chunk}
	for i, c := range out.Chunks {
		f.links, f.last = append(f.links, c.URL), c.Size
		if c.Number != i+1 {
			s.Fatalf("chunk %d has the number %d", i+1, c.Number)
		}
	}
	return f
}

// part is the content of a chunk, from 1.
func (f *film) part(n int) []byte {
	return bytes.Repeat([]byte{byte(n)}, min(f.chunk, f.size-(n-1)*f.chunk))
}

// put sends bytes to an address that was given out.
func (s *server) put(link string, data []byte, headers ...string) reply {
	s.Helper()
	return s.do(s.request(s.Context(), "", "PUT", link, bytes.NewReader(data), headers...))
}

func (f *film) names() string {
	return fmt.Sprintf(`"media_id":%q,"upload_id":%q`, f.media, f.upload)
}

func (f *film) confirm(n int, etag string, size int) reply {
	f.Helper()
	return f.call(f.as, "POST", "/video-uploads/chunks/confirm", fmt.Sprintf(`{%s,"chunk_number":%d,"etag":%q,"size_bytes":%d}`, f.names(), n, etag, size))
}

// send puts a chunk and confirms it.
func (f *film) send(n int) reply {
	f.Helper()
	put := f.put(f.links[n-1], f.part(n)).ok(f.T, 200)
	return f.confirm(n, put.header.Get("ETag"), len(f.part(n)))
}

func (f *film) sendAll() *film {
	f.Helper()
	for n := range f.links {
		f.send(n+1).ok(f.T, 200)
	}
	return f
}

func (f *film) complete(more string) reply {
	f.Helper()
	return f.call(f.as, "POST", "/video-uploads/complete", "{"+f.names()+more+"}")
}

func (f *film) progress() reply {
	f.Helper()
	return f.call(f.as, "GET", "/video-uploads/progress/"+f.media, "")
}

func TestVideo(t *testing.T) {
	t.Parallel()
	s := start(t)
	f := s.begin("valid", 200_000)
	if len(f.links) != 3 || f.chunk != 96<<10 {
		t.Fatalf("%d chunks of %d bytes", len(f.links), f.chunk)
	}
	if used := s.used("org_main", "storage"); used != 200_000 {
		t.Errorf("the storage holds %d bytes for the video", used)
	}
	f.send(3).ok(t, 200)
	s.advance(10 * time.Second)
	got := f.send(1).ok(t, 200)
	if got.text(t, "chunks_completed") != "2" || got.text(t, "progress_percent") != "66.7" || got.text(t, "estimated_time_remaining") != "5" {
		t.Error(got.body)
	}
	got = f.progress().ok(t, 200)
	if got.text(t, "status") != "uploading" || got.text(t, "current_chunk") != "2" || got.get(t, "bytes_uploaded") != float64(200_000-96<<10) {
		t.Error(got.body)
	}
	if list := s.call("valid", "GET", "/user-files", ""); list.text(t, "total_count") != "0" {
		t.Errorf("a video that has not arrived is listed: %s", list.body)
	}
	f.send(2).ok(t, 200)
	got = f.complete(`,"duration_seconds":150.5,"analysis_provider":"openai"`).ok(t, 200)
	job := got.text(t, "analysis_job_id")
	if got.text(t, "processing_status") != "queued" || got.text(t, "metadata", "duration_seconds") != "150.5" {
		t.Error(got.body)
	}
	if left := s.used("org_main", "video_credits"); left != 97 {
		t.Errorf("%d credits are left after three minutes, want 97", left)
	}
	for _, want := range []string{"pending", "uploading_to_vlm", "processing", "completed", "completed"} {
		if got := s.call("valid", "GET", "/video-analysis/jobs/"+job, "").ok(t, 200); got.text(t, "status") != want {
			t.Errorf("the analysis is not %s: %s", want, got.body)
		}
		s.advance(time.Second)
	}
	if got := f.progress(); got.text(t, "status") != "completed" || got.get(t, "bytes_uploaded") != float64(200_000) {
		t.Error(got.body)
	}
	list := s.call("valid", "GET", "/user-files?media_types=video&tags=sea", "")
	if list.text(t, "total_count") != "1" || !strings.Contains(list.body, `"video_analysis_status":"completed"`) {
		t.Error(list.body)
	}
	s.advance(24 * time.Hour) // the life of the session ends, that of the video does not
	s.call("valid", "DELETE", "/user-files/"+f.media, "").ok(t, 204)
	if used := s.used("org_main", "storage"); used != 0 {
		t.Errorf("the storage holds %d bytes after a delete", used)
	}
	if got := s.call("valid", "GET", "/video-analysis/jobs/"+job, ""); got.status != 404 {
		t.Errorf("the analysis of a deleted video: %d", got.status)
	}
	s.advance(24 * time.Hour)
	if n := s.records("files/") + s.records("chunks/") + s.records("due/"); n != 0 {
		t.Errorf("%d records are left of a deleted video", n)
	}
}

// Each way in which a chunk can be wrong.
func TestChunks(t *testing.T) {
	t.Parallel()
	s := start(t)
	f := s.begin("plan_enterprise", 400_000)
	refused := func(got reply, params string) {
		t.Helper()
		got.is(t, 400, "CHUNK_UPLOAD_ERROR", condition.ChunkRejected)
		if details := fmt.Sprint(got.get(t, "error", "details")); details != params {
			t.Errorf("got %s, want %s", details, params)
		}
	}
	size := len(f.part(1))
	refused(f.confirm(4, "x", 1), "map[chunk_number:4]")
	refused(f.confirm(1, "x", size), fmt.Sprintf("map[actual_bytes:0 chunk_number:1 expected_bytes:%d]", size))
	short := f.put(f.links[0], f.part(1)[1:]).ok(t, 200).header.Get("ETag")
	refused(f.confirm(1, short, size-1), fmt.Sprintf("map[actual_bytes:%d chunk_number:1 expected_bytes:%d]", size-1, size))
	refused(f.confirm(1, short, size), fmt.Sprintf("map[actual_bytes:%d chunk_number:1 expected_bytes:%d]", size-1, size))
	if got := f.progress(); got.text(t, "failed_chunks") != "[1]" {
		t.Error(got.body)
	}
	refused(f.complete(""), fmt.Sprintf("map[actual_bytes:0 chunk_number:1 expected_bytes:%d]", size))
	etag := f.put(f.links[0], f.part(1)).ok(t, 200).header.Get("ETag")
	if sum := md5.Sum(f.part(1)); etag != `"`+hex.EncodeToString(sum[:])+`"` {
		t.Errorf("the ETag %s is not that of the bytes", etag)
	}
	refused(f.confirm(1, short, size), "map[chunk_number:1]")
	f.confirm(1, strings.ToUpper(strings.Trim(etag, `"`)), size).ok(t, 200)
	if got := f.confirm(1, etag, size).ok(t, 200); got.text(t, "chunks_completed") != "1" {
		t.Errorf("a chunk that is confirmed twice counts twice: %s", got.body)
	}
	if got := f.progress(); got.text(t, "failed_chunks") != "[]" {
		t.Error(got.body)
	}
	f.put(f.links[0], f.part(1)).ok(t, 200) // the same bytes once more
	for name, got := range map[string]reply{
		"PreconditionFailed": f.put(f.links[0], f.part(2)),
		"EntityTooLarge":     f.put(f.links[1], make([]byte, 2*f.chunk+1)),
		"BadDigest":          f.put(f.links[1], f.part(2), "Content-MD5", base64.StdEncoding.EncodeToString(make([]byte, 16))),
		"MethodNotAllowed":   s.do(s.request(t.Context(), "", "GET", f.links[1], http.NoBody)),
	} {
		if got.status < 400 || !strings.Contains(got.body, "<Code>"+name+"</Code>") {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	if got := s.do(s.request(t.Context(), "", "PUT", f.links[1], io.MultiReader(bytes.NewReader(make([]byte, 3*f.chunk))))); !strings.Contains(got.body, "EntityTooLarge") {
		t.Errorf("a body of unknown length: %s", got.body)
	}
	refused(f.confirm(2, etag, size), fmt.Sprintf("map[actual_bytes:0 chunk_number:2 expected_bytes:%d]", size))
	f.put(f.links[1], nil).ok(t, 200)
	refused(f.confirm(2, `"d41d8cd98f00b204e9800998ecf8427e"`, size), fmt.Sprintf("map[actual_bytes:0 chunk_number:2 expected_bytes:%d]", size))
}

// Addresses are good for one chunk, until they end or are replaced.
func TestAddresses(t *testing.T) {
	t.Parallel()
	s := start(t)
	f := s.begin("valid", 200_000)
	other := s.begin("valid", 200_000)
	change := func(link string, edit func(*url.URL, url.Values)) string {
		u, err := url.Parse(link)
		if err != nil {
			t.Fatal(err)
		}
		query := u.Query()
		edit(u, query)
		u.RawQuery = query.Encode()
		return u.String()
	}
	for name, link := range map[string]string{
		"another chunk":     change(f.links[0], func(u *url.URL, _ url.Values) { u.Path = strings.TrimSuffix(u.Path, "/1") + "/2" }),
		"another video":     change(f.links[0], func(u *url.URL, _ url.Values) { u.Path = strings.Replace(u.Path, f.media, other.media, 1) }),
		"another account":   change(f.links[0], func(_ *url.URL, q url.Values) { q.Set("account", "org_other") }),
		"a longer life":     change(f.links[0], func(_ *url.URL, q url.Values) { q.Set("expires", "99999999999") }),
		"another attempt":   change(f.links[0], func(_ *url.URL, q url.Values) { q.Set("attempt", "1") }),
		"no signature":      change(f.links[0], func(_ *url.URL, q url.Values) { q.Del("signature") }),
		"no number":         change(f.links[0], func(u *url.URL, _ url.Values) { u.Path += "/../../x" }),
		"nothing at all":    s.Origin + "/_files/",
		"somewhere else":    s.Origin + "/_files/videos/x",
		"a huge number":     change(f.links[0], func(u *url.URL, _ url.Values) { u.Path = strings.TrimSuffix(u.Path, "1") + "99999999999999999999" }),
		"a negative number": change(f.links[0], func(u *url.URL, _ url.Values) { u.Path = strings.TrimSuffix(u.Path, "1") + "-1" }),
	} {
		if got := s.put(link, f.part(1)); got.status != 403 {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	again := func(n int) reply {
		t.Helper()
		return s.call("valid", "POST", "/video-uploads/chunks/retry", fmt.Sprintf(`{%s,"chunk_number":%d}`, f.names(), n))
	}
	put := s.put(f.links[0], f.part(1)).ok(t, 200)
	got := again(1).ok(t, 200)
	if got.text(t, "retry_attempt") != "1" || got.text(t, "max_retries") != "2" {
		t.Error(got.body)
	}
	f.confirm(1, put.header.Get("ETag"), f.chunk).is(t, 400, "CHUNK_UPLOAD_ERROR", condition.ChunkRejected) // it was let go of
	if got := s.put(f.links[0], f.part(1)); got.status != 403 {
		t.Errorf("an address that was replaced: %d", got.status)
	}
	f.links[0] = got.text(t, "upload_url")
	f.send(1).ok(t, 200)
	again(1).is(t, 409, "HTTP_409", condition.ResourceConflict)
	s.advance(time.Hour)
	if got := s.put(f.links[1], f.part(2)); got.status != 403 {
		t.Errorf("an address that has ended: %d", got.status)
	}
	f.confirm(2, "x", f.chunk).is(t, 400, "CHUNK_UPLOAD_ERROR", condition.ChunkRejected)
	again(2).ok(t, 200)
	f.links[1] = again(2).ok(t, 200).text(t, "upload_url")
	again(2).is(t, 400, "CHUNK_UPLOAD_ERROR", condition.ChunkRejected) // as often as the plan has it
	again(4).is(t, 400, "CHUNK_UPLOAD_ERROR", condition.ChunkRejected)
	f.send(2).ok(t, 200)
}

// What is never completed frees its storage and its place at the end of its life.
func TestAbandonedUploads(t *testing.T) {
	t.Parallel()
	s := start(t)
	f := s.begin("plan_free", 900_000_000)
	f.send(1).ok(t, 200)
	big := `{"filename":"b.mp4","content_type":"video/mp4","size_bytes":200000000}`
	s.call("plan_free", "POST", "/video-uploads/initiate", big).is(t, 413, "STORAGE_QUOTA_EXCEEDED", condition.StorageExhausted)
	if n := s.records("files/"); n != 1 {
		t.Errorf("a refused video leaves %d records, want one of the other", n)
	}
	s.advance(6*time.Hour - time.Second)
	f.progress().ok(t, 200)
	s.advance(time.Second)
	f.progress().is(t, 404, "HTTP_404", condition.ResourceMissing)
	f.confirm(1, "x", 1).is(t, 404, "HTTP_404", condition.ResourceMissing)
	f.complete("").is(t, 404, "HTTP_404", condition.ResourceMissing)
	if got := s.put(f.links[1], f.part(2)); got.status != 403 {
		t.Errorf("a chunk of an abandoned upload: %d", got.status)
	}
	if used := s.used("org_free", "storage"); used != 0 {
		t.Errorf("the storage holds %d bytes of an abandoned upload", used)
	}
	s.call("plan_free", "POST", "/video-uploads/initiate", big).ok(t, 201)
	s.advance(8 * time.Hour)
	if n := s.records("files/") + s.records("chunks/") + s.records("due/"); n != 0 {
		t.Errorf("%d records are left", n)
	}
}

func TestAbort(t *testing.T) {
	t.Parallel()
	s := start(t)
	f := s.begin("valid", 200_000)
	f.send(1).ok(t, 200)
	abort := func() reply {
		return s.call("valid", "POST", "/video-uploads/abort", "{"+f.names()+`,"reason":"changed my mind"}`)
	}
	if got := abort().ok(t, 200); got.text(t, "chunks_removed") != "1" {
		t.Error(got.body)
	}
	if used := s.used("org_main", "storage"); used != 0 {
		t.Errorf("the storage holds %d bytes of an aborted upload", used)
	}
	abort().is(t, 409, "HTTP_409", condition.ResourceConflict)
	f.complete("").is(t, 409, "HTTP_409", condition.ResourceConflict)
	if got := s.put(f.links[1], f.part(2)); got.status != 404 {
		t.Errorf("a chunk of an aborted upload: %d", got.status)
	}
	if got := f.progress().ok(t, 200); got.text(t, "status") != "aborted" {
		t.Error(got.body)
	}
	s.advance(time.Hour)
	f.progress().is(t, 404, "HTTP_404", condition.ResourceMissing)
	s.advance(6 * time.Hour)
	if used := s.used("org_main", "storage"); used != 0 {
		t.Errorf("the storage holds %d bytes at the end", used)
	}
}

// meeting is a store in which readers of files wait for each other, so that all
// of them have seen the same before one writes.
type meeting struct {
	store.Memory

	awaited atomic.Int64
	met     chan struct{}
}

// Get implements store.Store.
func (m *meeting) Get(ctx context.Context, key string) (store.Record, error) {
	record, err := m.Memory.Get(ctx, key)
	if strings.HasPrefix(key, "sandbox/aionvision/files/") {
		switch left := m.awaited.Add(-1); {
		case left == 0:
			close(m.met)
		case left > 0:
			<-m.met
		}
	}
	return record, err
}

// Of several completes, or a complete and an abort, one is done and paid for.
func TestClashingCompletes(t *testing.T) {
	t.Parallel()
	m := &meeting{met: make(chan struct{})}
	s := &server{T: t, store: m}
	s.Server = sandbox.Start(t, "aionvision", sandbox.Options{
		Clock: beginning, Logger: slog.New(slog.DiscardHandler),
		OpenStore: func(clock func() time.Time) (store.Store, error) {
			m.Clock = clock
			return m, nil
		},
	})
	f := s.begin("plan_enterprise", 200_000).sendAll()
	statuses := make(chan int, 8)
	m.awaited.Store(int64(cap(statuses)))
	var group sync.WaitGroup
	for i := range cap(statuses) {
		group.Go(func() {
			if i%4 == 3 {
				got := s.call(f.as, "POST", "/video-uploads/abort", "{"+f.names()+"}")
				if got.status == 200 {
					got.status = 299
				}
				statuses <- got.status
				return
			}
			statuses <- f.complete(`,"duration_seconds":300`).status
		})
	}
	group.Wait()
	close(statuses)
	count := map[int]int{}
	for status := range statuses {
		count[status]++
	}
	left, used := s.used("org_enterprise", "video_credits"), s.usedStorageOf("plan_enterprise")
	if count[200]+count[299] != 1 || count[409] != 7 {
		t.Fatalf("by status: %v", count)
	}
	if count[200] == 1 && (left != 95 || used != 1) || count[299] == 1 && (left != 100 || used != 0) {
		t.Errorf("by status: %v, %d credits left, %d files", count, left, used)
	}
}

// usedStorageOf counts the files of a key's account.
func (s *server) usedStorageOf(as string) int {
	s.Helper()
	return int(s.call(as, "GET", "/user-files", "").get(s.T, "total_count").(float64))
}

// Of two contents that are put at one address at once, one is there, and only
// its ETag confirms the chunk.
func TestClashingChunks(t *testing.T) {
	t.Parallel()
	s := start(t)
	f := s.begin("plan_enterprise", 100_000)
	contents := [2][]byte{f.part(1), bytes.Repeat([]byte{0xff}, len(f.part(1)))}
	var group sync.WaitGroup
	var confirmed [2]int
	var mu sync.Mutex
	for i := range 8 {
		group.Go(func() {
			got := s.put(f.links[0], contents[i%2])
			if got.status != 200 && got.status != 412 {
				t.Errorf("put: %d %s", got.status, got.body)
				return
			}
			if got.status == 200 && f.confirm(1, got.header.Get("ETag"), len(contents[0])).status == 200 {
				mu.Lock()
				confirmed[i%2]++
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if (confirmed[0] == 0) == (confirmed[1] == 0) {
		t.Errorf("confirmed %v times: of two contents one must win", confirmed)
	}
	if got := f.progress(); got.text(t, "chunks_completed") != "1" {
		t.Error(got.body)
	}
}

// Ten thousand chunks are announced, and the last of them can be sent.
func TestManyChunks(t *testing.T) {
	t.Parallel()
	s := start(t)
	const size = 9_999_000_001 // one byte more than chunks of 999,900 have room for
	f := s.begin("plan_enterprise", size)
	n := len(f.links)
	if n > 10_000 || n < 9_000 || (n-1)*f.chunk+f.last != size {
		t.Fatalf("%d chunks of %d bytes, the last one of %d", n, f.chunk, f.last)
	}
	f.send(n).ok(t, 200)
	if got := f.progress().ok(t, 200); got.get(t, "bytes_uploaded") != float64(f.last) {
		t.Error(got.body)
	}
	f.confirm(10_001, "x", 1).is(t, 400, "VALIDATION_ERROR", condition.ParameterInvalid)
}

// An upload goes on after a restart, where it stood.
func TestRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := func(t *testing.T) *server {
		t.Helper()
		s := &server{T: t}
		s.Server = sandbox.Start(t, "aionvision", sandbox.Options{
			Clock: beginning, Logger: slog.New(slog.DiscardHandler),
			OpenStore: func(clock func() time.Time) (store.Store, error) {
				opened, err := pebblestore.Open(dir, pebblestore.Options{Clock: clock})
				s.store = opened
				return opened, err
			},
		})
		return s
	}
	var f *film
	var id string
	t.Run("before", func(t *testing.T) {
		s := open(t)
		f = s.begin("valid", 200_000)
		f.send(1).ok(t, 200)
		s.put(f.links[1], f.part(2)).ok(t, 200) // put, not confirmed
		id = s.upload("valid", upload("a.png", picture(t, 1))).ok(t, 201).text(t, "image_id")
		s.begin("valid", 300_000) // abandoned
		s.advance(time.Minute)
	})
	t.Run("after", func(t *testing.T) {
		s := open(t)
		f.server = s
		for i, link := range f.links { // it listens elsewhere now
			u, err := url.Parse(link)
			if err != nil {
				t.Fatal(err)
			}
			f.links[i] = s.Origin + u.RequestURI()
		}
		if got := f.progress().ok(t, 200); got.text(t, "chunks_completed") != "1" || got.text(t, "current_chunk") != "2" {
			t.Error(got.body)
		}
		sum := md5.Sum(f.part(2))
		f.confirm(2, hex.EncodeToString(sum[:]), len(f.part(2))).ok(t, 200)
		f.send(3).ok(t, 200)
		f.complete("").ok(t, 200)
		s.upload("valid", upload("a.png", picture(t, 1))).is(t, 409, "HTTP_409", condition.ResourceConflict)
		s.call("valid", "GET", "/user-files/"+id, "").ok(t, 200)
		s.advance(7 * time.Hour) // the abandoned one was set to end before the restart
		if used, want := s.used("org_main", "storage"), int64(200_000+len(picture(t, 1))); used != want {
			t.Errorf("the storage holds %d bytes, want %d", used, want)
		}
	})
}
