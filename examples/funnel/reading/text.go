package reading

import (
	"unicode/utf16"
	"unicode/utf8"
)

// text reads a string. What it returns is a part of data, or scratch, and valid
// until the next text.
func (p *parser) text(what string) ([]byte, error) {
	if p.pos >= len(p.data) || p.data[p.pos] != '"' {
		return nil, p.unexpected(what)
	}
	begin := p.pos + 1
	ascii := true
	for i := begin; i < len(p.data); i++ {
		switch c := p.data[i]; {
		case c == '"':
			p.pos = i + 1
			if !ascii {
				if at := invalid(p.data[begin:i]); at >= 0 {
					return nil, p.fail(begin+at, "invalid UTF-8")
				}
			}
			return p.data[begin:i], nil
		case c == '\\':
			return p.escaped(begin, i)
		case c < ' ':
			return nil, p.fail(i, "the control character %U in a string", c)
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return nil, p.fail(len(p.data), "the input ends within a string")
}

// invalid is where the first byte that is no UTF-8 stands, or -1.
func invalid(text []byte) int {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

// escaped goes on with a string that begins at begin, from its first backslash.
func (p *parser) escaped(begin, i int) ([]byte, error) {
	out := append(p.decoder.scratch[:0], p.data[begin:i]...)
	defer func() { p.decoder.scratch = out[:0] }()
	if at := invalid(out); at >= 0 {
		return nil, p.fail(begin+at, "invalid UTF-8")
	}
	for i < len(p.data) {
		switch c := p.data[i]; {
		case c == '"':
			p.pos = i + 1
			return out, nil
		case c < ' ':
			return nil, p.fail(i, "the control character %U in a string", c)
		case c == '\\':
			r, size, problem := escape(p.data[i:])
			if problem != "" {
				return nil, p.fail(i, "%s", problem)
			}
			out = utf8.AppendRune(out, r)
			i += size
		default:
			r, size := utf8.DecodeRune(p.data[i:])
			if r == utf8.RuneError && size == 1 {
				return nil, p.fail(i, "invalid UTF-8")
			}
			out = append(out, p.data[i:i+size]...)
			i += size
		}
	}
	return nil, p.fail(len(p.data), "the input ends within a string")
}

// escape reads what stands behind a backslash, and a second \u where the first
// is half of a surrogate pair.
func escape(data []byte) (r rune, size int, problem string) {
	if len(data) < 2 {
		return 0, 0, "the input ends within a string"
	}
	switch data[1] {
	case '"', '\\', '/':
		return rune(data[1]), 2, ""
	case 'b':
		return '\b', 2, ""
	case 'f':
		return '\f', 2, ""
	case 'n':
		return '\n', 2, ""
	case 'r':
		return '\r', 2, ""
	case 't':
		return '\t', 2, ""
	case 'u':
		r, ok := hex(data)
		if !ok {
			return 0, 0, `\u without four hexadecimal digits`
		}
		if !utf16.IsSurrogate(r) {
			return r, 6, ""
		}
		if second, ok := hex(data[6:]); ok {
			if pair := utf16.DecodeRune(r, second); pair != utf8.RuneError {
				return pair, 12, ""
			}
		}
		return 0, 0, "half of a surrogate pair"
	}
	return 0, 0, "an escape that JSON does not know"
}

// hex reads \uXXXX at the start of data.
func hex(data []byte) (r rune, ok bool) {
	if len(data) < 6 || data[0] != '\\' || data[1] != 'u' {
		return 0, false
	}
	for _, c := range data[2:6] {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case 'A' <= c && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}
