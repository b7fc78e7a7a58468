package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/examples/funnel/reading"
)

var errStoredAfter = errors.New("ingest: not stored in time")

// problem is the body of an answer that is no success. The place is there where
// the readings were wrong.
type problem struct {
	status int

	Error  string `json:"error"`
	Line   int    `json:"line,omitempty"`   // from 1
	Column int    `json:"column,omitempty"` // in bytes, from 1
	Offset *int64 `json:"offset,omitempty"` // bytes before the place, after decompression
}

func refuse(w http.ResponseWriter, p problem) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(p.status)
	_ = json.NewEncoder(w).Encode(p) // who sent the request is gone otherwise
}

func accepted(w http.ResponseWriter, n int, stored bool) {
	status, name := http.StatusAccepted, "accepted"
	if stored {
		status, name = http.StatusOK, "stored"
	}
	body := append(make([]byte, 0, 40), `{"`...)
	body = append(body, name...)
	body = append(body, `":`...)
	body = strconv.AppendInt(body, int64(n), 10)
	body = append(body, "}\n"...)
	header := w.Header()
	header["Content-Type"] = jsonType
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// elsewhere answers who asked for stored where it is not known here when what was
// accepted is stored. It is a success, since programs send again what has failed.
func elsewhere(w http.ResponseWriter, n int) {
	w.Header()["Content-Type"] = jsonType
	w.WriteHeader(http.StatusAccepted)
	_ = json.NewEncoder(w).Encode(struct {
		Accepted int    `json:"accepted"`
		Note     string `json:"note"`
	}{n, ErrElsewhere.Error()})
}

var jsonType = []string{"application/json"}

// unread answers a request that could not be read, or is not to be.
func (h *Handler) unread(w http.ResponseWriter, err error) {
	p := problem{status: http.StatusBadRequest, Error: err.Error()}
	var (
		wrong *reading.Error
		limit *reading.LimitError
		size  *http.MaxBytesError
		large *tooLarge
		kind  *unsupported
		bad   *garbled
	)
	switch {
	case errors.As(err, &wrong):
		p.Line, p.Column, p.Offset = wrong.Line, wrong.Column, &wrong.Offset
	case errors.As(err, &limit):
		p.status, p.Line = http.StatusRequestEntityTooLarge, limit.Line
	case errors.As(err, &size):
		p.status = http.StatusRequestEntityTooLarge
		p.Error = "more than " + strconv.FormatInt(size.Limit, 10) + " bytes"
	case errors.As(err, &large):
		p.status = http.StatusRequestEntityTooLarge
	case errors.As(err, &kind):
		p.status = http.StatusUnsupportedMediaType
	case errors.As(err, &bad):
	case errors.Is(err, os.ErrDeadlineExceeded):
		p.status, p.Error = http.StatusRequestTimeout, "the body took too long to arrive"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, context.Canceled):
		p.Error = "the body ends before it is whole"
	default:
		p.Error = "the body could not be read"
	}
	if wrong == nil {
		// What is left of the body would have to be read before the next request
		// of the connection.
		w.Header().Set("Connection", "close")
	}
	refuse(w, p)
}

// refused answers a request that the sink did not take.
func (h *Handler) refused(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, buffer.ErrFull):
		h.full(w, "there is no room at the moment")
	case errors.Is(err, buffer.ErrClosed):
		refuse(w, problem{status: http.StatusServiceUnavailable, Error: "the service is stopping"})
	case errors.Is(err, buffer.ErrTooLarge):
		refuse(w, problem{status: http.StatusRequestEntityTooLarge, Error: "more readings than can be taken at once: send them in several requests"})
	case errors.Is(err, ErrNotKnown):
		refuse(w, problem{status: http.StatusNotImplemented, Error: ErrNotKnown.Error()})
	case errors.Is(err, ErrAway):
		h.warn(r, "readings were not taken, and are to be sent again", err)
		h.later(w)
		refuse(w, problem{status: http.StatusServiceUnavailable, Error: ErrAway.Error()})
	case errors.Is(err, ErrInDoubt):
		h.warn(r, "whether readings were taken is not known", err)
		refuse(w, problem{status: http.StatusGatewayTimeout, Error: ErrInDoubt.Error()})
	case errors.Is(err, ErrRejected):
		refuse(w, problem{status: http.StatusUnprocessableEntity, Error: ErrRejected.Error()})
	case errors.Is(err, errStoredAfter):
		refuse(w, problem{status: http.StatusGatewayTimeout, Error: "not stored within " + h.cfg.StoredAfter.String() +
			": the readings may be stored later, and twice if they are sent again"})
	case r.Context().Err() != nil:
		refuse(w, problem{status: http.StatusServiceUnavailable, Error: "the request has ended"})
	default:
		h.cfg.Logger.LogAttrs(r.Context(), slog.LevelError, "readings were not taken", slog.Any("error", err))
		refuse(w, problem{status: http.StatusInternalServerError, Error: "the readings were not taken, or not all of them: the log says why"})
	}
}

// full answers 429.
func (h *Handler) full(w http.ResponseWriter, why string) {
	h.later(w)
	refuse(w, problem{status: http.StatusTooManyRequests, Error: why + ": try again later"})
}

// later says when to send the request again.
func (h *Handler) later(w http.ResponseWriter) {
	seconds := (h.cfg.RetryAfter + time.Second - 1) / time.Second
	w.Header().Set("Retry-After", strconv.Itoa(int(seconds)))
}

func (h *Handler) warn(r *http.Request, text string, err error) {
	h.cfg.Logger.LogAttrs(r.Context(), slog.LevelWarn, text, slog.Any("error", err))
}
