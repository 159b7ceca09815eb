// Bareproxy is the yardstick: what net/http and httputil.ReverseProxy cost by
// themselves, with a transport tuned for one upstream. With -answer it proxies
// nothing and gives every request that status and a small JSON body.
package main

import (
	"flag"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"
)

// size is what httputil.ReverseProxy copies with by itself.
const size = 32 << 10

func main() {
	listen := flag.String("listen", "", "address to listen on")
	upstream := flag.String("upstream", "", "URL to send requests to")
	answer := flag.Int("answer", 0, "status to answer by itself; 0 proxies")
	flag.Parse()
	target, err := url.Parse(*upstream)
	if err != nil {
		log.Fatal(err)
	}
	var handler http.Handler = &httputil.ReverseProxy{
		Rewrite:    func(r *httputil.ProxyRequest) { r.SetURL(target); r.SetXForwarded() },
		Transport:  &http.Transport{MaxIdleConns: 1024, MaxIdleConnsPerHost: 1024, IdleConnTimeout: time.Minute, DisableCompression: true},
		BufferPool: &buffers{},
	}
	if *answer != 0 {
		handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(*answer)
			_, _ = w.Write([]byte(`{"error":{"code":"refused","message":"Not this time."}}`))
		})
	}
	server := &http.Server{Addr: *listen, Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.ListenAndServe())
}

// buffers is a httputil.BufferPool; going through pointers keeps Put from
// allocating.
type buffers struct{ pool sync.Pool }

func (b *buffers) Put(buf []byte) { b.pool.Put((*[size]byte)(buf)) }

func (b *buffers) Get() []byte {
	if buf, ok := b.pool.Get().(*[size]byte); ok {
		return buf[:]
	}
	return make([]byte, size)
}
