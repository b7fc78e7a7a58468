package reading

// names gives equal names one string, so that a reading costs no allocation
// where its sensor is known. It is bounded: whoever makes up names without end
// only makes it forget.
type names struct {
	known map[string]string
	last  [2]string // of sensor and of metric: the next is often the same
}

const maxNames = 1 << 14

// The places in names.last.
const (
	sensorName = iota
	metricName
)

func (n *names) intern(which int, name []byte) string {
	if n.last[which] == string(name) {
		return n.last[which]
	}
	found, ok := n.known[string(name)]
	if !ok {
		if n.known == nil || len(n.known) >= maxNames {
			n.known = make(map[string]string)
		}
		found = string(name)
		n.known[found] = found
	}
	n.last[which] = found
	return found
}
