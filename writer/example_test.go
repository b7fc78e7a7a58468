package writer_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/writer"
)

// Many goroutines write into one log file, which is synced to the disk every
// second and once more at the end.
func Example() {
	dir, err := os.MkdirTemp("", "writer")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file, err := os.Create(filepath.Join(dir, "app.log"))
	if err != nil {
		log.Fatal(err)
	}

	w, err := writer.New(file, buffer.Config[[]byte]{Name: "app.log", FlushInterval: time.Second},
		writer.Every(time.Second, func(context.Context) error { return file.Sync() }))
	if err != nil {
		log.Fatal(err)
	}
	var requests sync.WaitGroup
	for id := range 100 {
		requests.Go(func() {
			for step := range 10 {
				fmt.Fprintf(w, "request %d: step %d\n", id, step) // one Write: one line, never split
			}
		})
	}
	requests.Wait()
	if err := w.Close(); err != nil { // writes the rest, and syncs
		log.Print(err)
	}
	_ = file.Close()

	written, err := os.ReadFile(filepath.Join(dir, "app.log"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(strings.Count(string(written), "\n"), "lines")
	// Output: 1000 lines
}

// Goroutines share a network connection. A keep-alive is sent through the Writer
// too, beside whatever is being written, so that it never splits a message.
func ExampleBeside() {
	client, server := net.Pipe()
	received := make(chan string)
	go func() {
		lines := bufio.NewScanner(server)
		for lines.Scan() {
			received <- lines.Text()
		}
		close(received)
	}()

	var w *writer.Writer
	ready := make(chan struct{})
	w, err := writer.New(client, buffer.Config[[]byte]{Name: "peer", FlushInterval: time.Millisecond, FlushJitter: -1},
		writer.Beside(10*time.Millisecond, 1, func(context.Context) error {
			<-ready
			_, err := io.WriteString(w, "PING\n")
			return err
		}))
	if err != nil {
		log.Fatal(err)
	}
	close(ready)
	fmt.Fprintln(w, "HELLO")
	fmt.Println(<-received)
	fmt.Println(<-received)

	// The peer may be gone: give it a second.
	go func() {
		for range received {
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := w.Stop(ctx); err != nil {
		log.Print(err)
	}
	_ = client.Close()
	// Output:
	// HELLO
	// PING
}

// log/slog writes each record with one Write, and so does log.
func ExampleWriter_slog() {
	w, err := writer.New(os.Stdout, buffer.Config[[]byte]{Name: "log"})
	if err != nil {
		log.Fatal(err)
	}
	withoutTime := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	logger := slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: withoutTime}))
	logger.Info("order placed", "id", 17)
	log.New(w, "legacy: ", 0).Print("order shipped")
	if err := w.Close(); err != nil {
		log.Print(err)
	}
	// Output:
	// level=INFO msg="order placed" id=17
	// legacy: order shipped
}

// A log file is replaced by the next while the Writer is stopped. What is written
// meanwhile is refused with ErrNotRunning; who must not lose it writes again.
func ExampleWriter_Stop() {
	file := &current{to: new(strings.Builder)}
	w, err := writer.New(file, buffer.Config[[]byte]{Name: "log"})
	if err != nil {
		log.Fatal(err)
	}
	first := file.to
	fmt.Fprint(w, "before")
	if err := w.Stop(context.Background()); err != nil { // everything accepted is written
		log.Print(err)
	}
	file.to = new(strings.Builder)
	_, err = fmt.Fprint(w, "meanwhile")
	fmt.Println(err)
	if err := w.Start(); err != nil {
		log.Print(err)
	}
	fmt.Fprint(w, "after")
	_ = w.Close()
	fmt.Println(first, file.to)
	// Output:
	// writer: not running: Stop was called; call Start first
	// before after
}

// current is the file that is written to.
type current struct{ to *strings.Builder }

func (c *current) Write(p []byte) (int, error) { return c.to.Write(p) }
