package ingest

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// body is a request's body, decompressed and limited.
type body struct {
	io.Reader
	lines bool // NDJSON
	done  func()
}

// Close gives back what decompresses; the rest of the request is net/http's.
func (b *body) Close() {
	if b.done != nil {
		b.done()
	}
}

// unsupported is 415.
type unsupported struct{ text string }

func (e *unsupported) Error() string { return e.text }

// tooLarge is 413.
type tooLarge struct{ text string }

func (e *tooLarge) Error() string { return e.text }

// garbled is a body that does not decompress: 400.
type garbled struct {
	encoding string
	err      error
}

func (e *garbled) Error() string { return fmt.Sprintf("the body is no %s: %v", e.encoding, e.err) }
func (e *garbled) Unwrap() error { return e.err }

// open looks at the headers and makes the body of what they say.
func (h *Handler) open(w http.ResponseWriter, r *http.Request) (*body, error) {
	lines, err := format(r.Header)
	if err != nil {
		return nil, err
	}
	if r.ContentLength > h.cfg.MaxBody {
		return nil, &http.MaxBytesError{Limit: h.cfg.MaxBody}
	}
	b := &body{lines: lines}
	sent := http.MaxBytesReader(w, r.Body, h.cfg.MaxBody)
	encoding := strings.ToLower(strings.Join(r.Header.Values("Content-Encoding"), ","))
	switch encoding {
	case "", "identity":
		b.Reader = &limited{from: sent, left: h.cfg.MaxDecoded, limit: h.cfg.MaxDecoded}
		return b, nil
	case "gzip", "zstd":
	default:
		return nil, &unsupported{fmt.Sprintf("Content-Encoding is %.40q: allowed are gzip, zstd and none", encoding)}
	}
	decompressed, done, err := decompress(encoding, &source{Reader: sent})
	if err != nil {
		return nil, err
	}
	b.done = done
	b.Reader = &limited{from: decompressed, left: h.cfg.MaxDecoded, limit: h.cfg.MaxDecoded}
	return b, nil
}

// format reads Content-Type.
func format(header http.Header) (lines bool, err error) {
	const allowed = "allowed are application/json and application/x-ndjson, in UTF-8"
	given := header.Get("Content-Type")
	if given == "" {
		return false, nil // as JSON, which is what a body without a type most likely is
	}
	kind, params, err := mime.ParseMediaType(given)
	if err != nil {
		return false, &unsupported{fmt.Sprintf("Content-Type is %.60q: %s", given, allowed)}
	}
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return false, &unsupported{fmt.Sprintf("the charset is %.40q: %s", charset, allowed)}
	}
	switch kind {
	case "application/json":
		return false, nil
	case "application/x-ndjson", "application/ndjson", "application/jsonl":
		return true, nil
	}
	return false, &unsupported{fmt.Sprintf("Content-Type is %.60q: %s", kind, allowed)}
}

// source remembers the error of the connection, which a decompressor's error
// would hide.
type source struct {
	io.Reader
	err error
}

func (s *source) Read(to []byte) (int, error) {
	n, err := s.Reader.Read(to)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// limited fails once more than limit bytes were read, where io.LimitReader would
// say that this is the end.
type limited struct {
	from        io.Reader
	left, limit int64
}

func (l *limited) Read(to []byte) (int, error) {
	if int64(len(to)) > l.left+1 {
		to = to[:l.left+1]
	}
	n, err := l.from.Read(to)
	if l.left -= int64(n); l.left < 0 {
		return 0, &tooLarge{fmt.Sprintf("more than %d bytes after decompression", l.limit)}
	}
	return n, err
}

// maxWindow bounds what a frame of zstd can make its decoder allocate.
const maxWindow = 8 << 20

var (
	gzipReaders sync.Pool // of *gzip.Reader
	zstdReaders sync.Pool // of *zstd.Decoder; without concurrency they hold no goroutine
)

// decompress reads from as encoding says.
func decompress(encoding string, from *source) (io.Reader, func(), error) {
	outcome := func(r io.Reader) io.Reader { return &decompressor{Reader: r, from: from, encoding: encoding} }
	if encoding == "gzip" {
		zr, ok := gzipReaders.Get().(*gzip.Reader)
		if !ok {
			zr = new(gzip.Reader)
		}
		done := func() { gzipReaders.Put(zr) }
		if err := zr.Reset(from); err != nil {
			done()
			return nil, nil, cause(from, encoding, err)
		}
		return outcome(zr), done, nil
	}
	zr, ok := zstdReaders.Get().(*zstd.Decoder)
	if !ok {
		var err error
		zr, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, nil, err
		}
	}
	done := func() {
		_ = zr.Reset(nil) // lets go of the connection
		zstdReaders.Put(zr)
	}
	if err := zr.Reset(from); err != nil {
		done()
		return nil, nil, cause(from, encoding, err)
	}
	return outcome(zr), done, nil
}

// decompressor tells a body that is no gzip or zstd from one that did not arrive.
type decompressor struct {
	io.Reader
	from     *source
	encoding string
}

func (d *decompressor) Read(to []byte) (int, error) {
	n, err := d.Reader.Read(to)
	if err != nil && err != io.EOF {
		err = cause(d.from, d.encoding, err)
	}
	return n, err
}

func cause(from *source, encoding string, err error) error {
	switch {
	case from.err != nil:
		return from.err
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return &tooLarge{fmt.Sprintf("a zstd window of more than %d bytes", maxWindow)}
	}
	return &garbled{encoding: encoding, err: err}
}
