package live

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var about = About{Version: "0.1.0", Store: "SQLite", Demo: true}

// TestPage looks at the page as people do, in a real browser.
func TestPage(t *testing.T) {
	c := browse(t)
	for name, test := range map[string]func(*testing.T, *chromium){
		"is alive":                 pageIsAlive,
		"has its history at once":  historyComesFirst,
		"fits a phone":             pageOnAPhone,
		"is dark in the dark":      pageInTheDark,
		"says what is wrong":       pageSaysWhatIsWrong,
		"comes back":               pageComesBack,
		"asks for the token":       pageAsksForTheToken,
		"can be paused":            pausing,
		"shows the sensors picked": sensorsArePicked,
	} {
		t.Run(name, func(t *testing.T) { test(t, c) })
	}
}

// pixels reads a chart's canvas from a copy: the browser warns of a canvas that is
// read often, and the tests take a warning for a fault.
const pixels = `((id) => {
	const canvas = document.querySelector('#' + id + ' canvas');
	if (!canvas || !canvas.width) return [];
	const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
	copy.drawImage(canvas, 0, 0);
	const p = copy.getImageData(0, 0, canvas.width, canvas.height).data;
	const all = [];
	for (let i = 0; i < p.length; i += 4) {
		if (p[i + 3]) all.push({ x: (i / 4) % canvas.width / canvas.width, r: p[i], g: p[i + 1], b: p[i + 2], a: p[i + 3] });
	}
	return all;
})`

const allCharts = `['chart-flow', 'chart-batches', 'chart-size', 'chart-age', 'chart-flush', 'chart-trouble', 'chart-sensor']`

// The page shows a busy funnel: everything is drawn, and the numbers move.
func pageIsAlive(t *testing.T, c *chromium) {
	f := serve(t, about, Keep)
	b := c.open(t, f.URL, desktop)
	b.until(`document.getElementById('status').dataset.state === 'live'`)
	b.until(`document.querySelector('#chart-sensor canvas')`)
	for id, n := range eval[map[string]int](b, `Object.fromEntries(`+allCharts+`.map((id) => [id, `+pixels+`(id).length]))`) {
		assert.Greater(t, n, 500, "pixels drawn on %s", id)
	}

	before := b.text("accepted-total")
	assert.NotEqual(t, "–", before)
	b.until(`document.getElementById('accepted-total').textContent !== '` + before + `'`)
	assert.Equal(t, "SQLite", eval[string](b, `document.querySelector('#route li:last-child').textContent`))
	assert.Equal(t, 4, eval[int](b, `document.querySelectorAll('#partitions [role=meter]').length`))
	assert.Contains(t, b.text("notices"), "sends itself readings")
	assert.Contains(t, b.text("sensor-sum"), "readings by minute")
	b.shot("light")
	blameless(t, b, f)
}

// A chart is full at once: the history that the server has comes first.
func historyComesFirst(t *testing.T, c *chromium) {
	f := serve(t, about, Keep)
	b := c.open(t, f.URL, desktop)
	b.until(`document.querySelector('#chart-flow canvas')`)
	// What is drawn green in the chart's left third comes from minutes ago.
	assert.Greater(t, eval[int](b, pixels+`('chart-flow').filter((p) => p.x > 0.1 && p.x < 0.4 && p.a > 200 && p.g > p.r + 60).length`), 100)
}

func pageOnAPhone(t *testing.T, c *chromium) {
	f := serve(t, about, Keep)
	b := c.open(t, f.URL, phone)
	b.until(`document.querySelector('#chart-sensor canvas') && document.querySelector('#chart-flow canvas')`)
	assert.Equal(t, 360, eval[int](b, `document.documentElement.clientWidth`))
	assert.LessOrEqual(t, eval[int](b, `document.documentElement.scrollWidth`), 360, "it scrolls sideways")
	assert.Empty(t, eval[[]string](b, `[...document.querySelectorAll('main *, header *')]
		.filter((e) => !e.closest('.sr, .scroll, .u-wrap') && e.getBoundingClientRect().right > 360.5)
		.map((e) => e.tagName + '#' + e.id + '.' + e.className)`), "beyond the right edge")
	b.shot("phone")
	b.theme(true)
	b.until(`getComputedStyle(document.body).backgroundColor === 'rgb(13, 17, 23)'`)
	b.shot("phone-dark")
	blameless(t, b, f)
}

// Dark colours are applied from the start, and when the system changes while the
// page is open: the charts too, whose colours are drawn.
func pageInTheDark(t *testing.T, c *chromium) {
	f := serve(t, about, Keep)
	b := c.open(t, f.URL, night)
	b.until(`document.querySelector('#chart-sensor canvas') && document.querySelector('#chart-flow canvas')`)
	background := `getComputedStyle(document.body).backgroundColor`
	assert.Equal(t, "rgb(13, 17, 23)", eval[string](b, background))
	b.shot("dark")
	// The line of the readings stored, in the colour of the theme, give or take
	// what smoothing makes of a line two pixels wide.
	has := func(colour string) string {
		return `(([r, g, b]) => ` + pixels + `('chart-flow').filter((p) =>
			p.a > 200 && Math.abs(p.r - r) + Math.abs(p.g - g) + Math.abs(p.b - b) < 60).length > 100)(` + colour + `)`
	}
	b.until(has("[63, 208, 174]"))
	b.theme(false)
	b.until(background + ` === 'rgb(243, 245, 248)'`)
	b.until(has("[11, 125, 105]"))
	blameless(t, b, f)
}

func pageSaysWhatIsWrong(t *testing.T, c *chromium) {
	f := serve(t, About{Store: "MongoDB", Kafka: true, Embedded: true}, 30)
	f.set(func() { f.error, f.full = "dial tcp: connection refused", true })
	for range 10 {
		f.page.take(f.stats())
	}
	b := c.open(t, f.URL, desktop)
	b.until(`document.querySelector('#notices .notice.bad')`)
	notices := b.text("notices")
	assert.Contains(t, notices, "connection refused")
	assert.Contains(t, notices, "nearly full")
	assert.Contains(t, notices, "stand-in for tests")
	assert.NotContains(t, notices, "Demo")
	assert.Contains(t, b.text("route"), "Kafka, embedded")
	b.shot("wrong")
	f.set(func() { f.error, f.full = "", false })
	b.until(`!document.querySelector('#notices .notice.bad')`)
	blameless(t, b, f)
}

// The page says that the connection is lost, and takes it up again by itself.
func pageComesBack(t *testing.T, c *chromium) {
	f := serve(t, about, 30)
	b := c.open(t, f.URL, desktop)
	b.until(`document.getElementById('status').dataset.state === 'live'`)
	f.set(func() { f.down = true })
	f.CloseClientConnections()
	b.until(`/Disconnected, next try in [12] s/.test(document.getElementById('status').textContent)`)
	b.until(`document.getElementById('why').textContent === 'Not connected: the store has moved.'`)
	assert.True(t, eval[bool](b, `document.getElementById('board').classList.contains('stale')`))
	b.shot("lost")
	f.set(func() { f.down = false })
	b.until(`document.getElementById('status').dataset.state === 'live'`)
	assert.True(t, eval[bool](b, `document.getElementById('why').hidden`))
	assert.False(t, eval[bool](b, `document.getElementById('board').classList.contains('stale')`))
}

func pageAsksForTheToken(t *testing.T, c *chromium) {
	f := serve(t, about, 30)
	f.set(func() { f.token = "open sesame" })
	b := c.open(t, f.URL, desktop)
	enter := func(token string) {
		eval[bool](b, `(document.getElementById('token').value = '`+token+`', document.getElementById('gate-form').requestSubmit(), true)`)
	}
	b.until(`!document.getElementById('gate').hidden`)
	assert.Empty(t, b.text("gate-error"))
	b.shot("token")
	enter("wrong")
	b.until(`document.getElementById('gate-error').textContent.includes('did not take')`)
	enter("open sesame")
	b.until(`document.getElementById('status').dataset.state === 'live'`)
	b.until(`document.querySelector('#chart-sensor canvas')`)
	assert.True(t, eval[bool](b, `document.getElementById('gate').hidden`))
	assert.Equal(t, "open sesame", eval[string](b, `Object.values(sessionStorage)[0]`))
	assert.Equal(t, 0, eval[int](b, `localStorage.length`))
	assert.NotContains(t, eval[string](b, `location.href + document.cookie`), "sesame")
	_, requests := b.seen()
	assert.NotContains(t, strings.Join(requests, " "), "sesame", "a token in an address ends up in logs")
}

func pausing(t *testing.T, c *chromium) {
	f := serve(t, about, 30)
	b := c.open(t, f.URL, desktop)
	b.until(`document.getElementById('status').dataset.state === 'live' && document.querySelector('#chart-flow canvas')`)
	eval[bool](b, `(document.getElementById('pause').click(), true)`)
	b.until(`document.getElementById('status').dataset.state === 'paused'`)
	before := b.text("accepted-total")
	taken := func() int {
		_, _, n := f.page.history()
		return n
	}
	for start := taken(); taken() < start+2; {
		b.until(`true`)
	}
	assert.Equal(t, before, b.text("accepted-total"))
	eval[bool](b, `(document.getElementById('pause').click(), true)`)
	b.until(`document.getElementById('accepted-total').textContent !== '` + before + `'`)
}

// The pickers work by keyboard and name what they do.
func sensorsArePicked(t *testing.T, c *chromium) {
	f := serve(t, about, 30)
	b := c.open(t, f.URL, desktop)
	b.until(`document.querySelector('#chart-sensor canvas')`)
	eval[bool](b, `(document.querySelectorAll('#ranges input')[3].click(), true)`)
	b.until(`document.getElementById('sensor-sum').textContent.includes('by hour')`)
	eval[bool](b, `(() => { const s = document.getElementById('sensor'); s.selectedIndex = 1; s.dispatchEvent(new Event('change')); return true; })()`)
	b.until(`document.querySelectorAll('#sensor-rows tr').length >= 168`)
	_, requests := b.seen()
	assert.Contains(t, strings.Join(requests, " "), "sensor=s-2")
	assert.Empty(t, eval[[]string](b, `[...document.querySelectorAll('button, select, input, canvas, [role=meter]')]
		.filter((e) => !e.closest('[hidden], [role=img]') && !(e.ariaLabel || e.labels?.length || e.textContent.trim()))
		.map((e) => e.outerHTML)`), "without a name")
	blameless(t, b, f)
}

// blameless: the console is clean, and nothing was asked of anyone else.
func blameless(t *testing.T, b *tab, f *fake) {
	t.Helper()
	problems, requests := b.seen()
	assert.Empty(t, problems)
	own, err := url.Parse(f.URL)
	require.NoError(t, err)
	for _, r := range requests {
		u, err := url.Parse(r)
		require.NoError(t, err)
		if u.Scheme != "about" {
			assert.Equal(t, own.Host, u.Host, r)
		}
	}
	response, err := http.Get(f.URL)
	require.NoError(t, err)
	response.Body.Close()
	assert.Equal(t, policy, response.Header.Get("Content-Security-Policy"))
}
