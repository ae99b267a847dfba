// What makes the page live. Without it everything can be read all the same.
'use strict';
(() => {
  const body = document.body;
  const $ = id => document.getElementById(id);
  if (location.pathname === '/do') history.replaceState(null, '', '/'); // what was refused is not pressed again by a reload
  let skew = Date.parse(body.dataset.now) - Date.now(); // the server's clock is the one that counts

  // The words of package web's span and whole: they change together.
  const whole = ms => {
    const s = Math.max(0, Math.floor(ms / 1000));
    if (s < 90) return s + ' s';
    if (s < 90 * 60) return Math.floor(s / 60) + ' min';
    if (s < 48 * 3600) return Math.floor(s / 3600) + ' h';
    return Math.floor(s / 86400) + ' days';
  };

  const tick = () => {
    const now = Date.now() + skew;
    for (const t of document.querySelectorAll('time[data-for], time[data-ago]')) {
      const text = whole(now - Date.parse(t.dateTime)) + ('ago' in t.dataset ? ' ago' : '');
      if (t.textContent !== text) t.textContent = text;
    }
    for (const p of document.querySelectorAll('progress[data-began]')) {
      const usual = Number(p.dataset.usual) * 1000;
      // By the clock where it is known how long it takes, never to the end; by the hosts where they are further.
      if (usual > 0) p.value = Math.max(Number(p.getAttribute('value')), Math.min(97, 100 * (now - Date.parse(p.dataset.began)) / usual));
    }
  };
  setInterval(tick, 1000);

  // morph makes a like b and keeps what is alike: focus, selection and scroll stay.
  const morph = (a, b) => {
    if (a.nodeType !== b.nodeType || a.nodeName !== b.nodeName || a.id !== b.id) { a.replaceWith(b); return; }
    if (a.nodeType === Node.TEXT_NODE || a.nodeType === Node.COMMENT_NODE) {
      if (a.data !== b.data) a.data = b.data;
      return;
    }
    for (const {name} of [...a.attributes]) if (!b.hasAttribute(name) && name !== 'open') a.removeAttribute(name); // people open details
    for (const {name, value} of b.attributes) if (a.getAttribute(name) !== value) a.setAttribute(name, value);
    const bottom = a.scrollHeight - a.scrollTop - a.clientHeight < 20;
    children(a, b);
    if (a.classList.contains('tail') && bottom) a.scrollTop = a.scrollHeight;
  };
  const children = (a, b) => {
    const theirs = [...b.childNodes], mine = [...a.childNodes];
    theirs.forEach((n, i) => i < mine.length ? morph(mine[i], n) : a.append(n));
    mine.slice(theirs.length).forEach(n => n.remove());
  };
  const fill = (element, html) => {
    const t = document.createElement('template');
    t.innerHTML = html;
    children(element, t.content);
  };

  const show = n => {
    if (n.edition !== body.dataset.edition) { location.reload(); return; } // another version runs now
    skew = Date.parse(n.now) - Date.now();
    document.title = n.title + ' · ' + body.dataset.channel;
    $('irc').hidden = n.online;
    if (n.spoken && $('spoken').textContent !== n.spoken) $('spoken').textContent = n.spoken;
    for (const [name, html] of Object.entries(n.parts)) {
      const part = $('part-' + name);
      if (part) fill(part, html);
    }
    tick();
  };

  const follow = $('follow');
  const from = follow ? follow.dataset.follow : $('topic') ? '/events' : '';
  if (!from) { tick(); return; }

  let position = follow ? follow.dataset.from : '';
  let source = null, retry = 0, timer = 0, over = false;
  const state = (s, text) => {
    const live = $('live');
    live.hidden = false;
    live.dataset.state = s;
    live.textContent = text;
    body.dataset.live = s === 'live' ? '1' : '0';
  };
  const pin = $('pin'), log = $('runlog');
  if (pin) pin.parentElement.hidden = false;

  const open = () => {
    clearTimeout(timer);
    if (over || source) return;
    source = new EventSource(position === '' ? from : from + '?from=' + position);
    const heard = e => {
      if (e.lastEventId) position = e.lastEventId;
      retry = 0;
      state('live', 'live');
    };
    source.addEventListener('now', e => { heard(e); show(JSON.parse(e.data)); });
    source.addEventListener('log', e => {
      heard(e);
      log.insertAdjacentHTML('beforeend', JSON.parse(e.data));
      if ($('nolog')) $('nolog').remove();
      if (pin.checked) log.scrollTop = log.scrollHeight;
    });
    source.addEventListener('end', e => {
      heard(e);
      over = true;
      close();
      state('over', 'ended');
    });
    source.onerror = () => {
      close();
      state('lost', 'reconnecting');
      timer = setTimeout(open, Math.min(10000, 500 * 2 ** retry++));
    };
  };
  const close = () => {
    clearTimeout(timer);
    if (source) source.close();
    source = null;
  };
  // A browser has six connections for all its tabs of one server: one that nobody
  // has looked at for a while gives its own up.
  let hidden = 0;
  document.addEventListener('visibilitychange', () => {
    clearTimeout(hidden);
    if (document.hidden) hidden = setTimeout(close, 5 * 60 * 1000);
    else open();
  });
  addEventListener('pagehide', close);
  addEventListener('pageshow', open);
  if (log && pin) {
    log.scrollTop = log.scrollHeight;
    log.addEventListener('scroll', () => { pin.checked = log.scrollHeight - log.scrollTop - log.clientHeight < 40; });
    pin.addEventListener('change', () => { if (pin.checked) log.scrollTop = log.scrollHeight; });
  }
  tick();
  open();
})();
