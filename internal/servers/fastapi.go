package servers

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// FastAPI starts a service on a framework that nobody here wrote, until the test
// ends: app is "module:name" of a program in testdata. What it has said is in the
// log of a test that fails.
func FastAPI(t *testing.T, app string) (url string) {
	t.Helper()
	python := filepath.Join(root(t), ".tools", "venv", "bin", "python")
	if _, err := os.Stat(python); err != nil {
		t.Fatalf("the Python services are not installed, run make test once: %v", err)
	}
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	// uvicorn takes a listening socket: no port is guessed, and it is connected to
	// before it is ready.
	socket, ok := l.(*net.TCPListener)
	if !ok {
		t.Fatalf("%T is no socket of TCP", l)
	}
	file, err := socket.File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, python, "-m", "uvicorn", "--fd", "3", "--log-level", "critical", "--app-dir", "testdata", app)
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	cmd.ExtraFiles = []*os.File{file}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			t.Log(said.String())
		}
	})
	return "http://" + l.Addr().String()
}

// root is the folder of the module.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	for err == nil {
		if _, missing := os.Stat(filepath.Join(dir, "go.mod")); missing == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			break
		}
		dir = up
	}
	t.Fatalf("no go.mod above the test: %v", err)
	return ""
}
