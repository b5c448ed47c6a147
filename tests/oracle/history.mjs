// One random history: a few clients write, delete, exchange updates late, twice, in any order or by
// state vector, and split characters. Everything is done with Yjs at once and handed to the driver
// as commands with the results to expect.
import * as Y from 'yjs'
import * as encoding from 'lib0/encoding'
import { checkFresh } from './fresh.mjs'

export const rng = seed => {
  let a = seed >>> 0
  return () => {
    a = (a + 0x6d2b79f5) >>> 0
    let t = a
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

const alphabets = [
  'abcdefghijklmnopqrstuvwxyz \n',
  'aäöüßéñ ',
  'ab日本語テキスト',
  'x😀🎉👩‍👧 y',
  'aé日😀\u0301\ufeff'
].map(s => Array.from(s))

const EMPTY = new Uint8Array(0)
const ZERO = Uint8Array.of(0)
const NOBODY = 12345 // client of a document that only takes in

export class History {
  constructor (driver, seed) {
    this.driver = driver
    this.random = rng(seed)
    this.updates = []
    this.surrogates = false
    const n = 2 + this.below(4)
    this.clients = []
    for (let i = 0; i < n; i++) this.clients.push(this.client(i))
    this.alphabet = alphabets[this.below(alphabets.length)]
    this.surrogates = this.alphabet.some(c => c.length > 1)
  }

  below (n) {
    return Math.floor(this.random() * n)
  }

  chance (p) {
    return this.random() < p
  }

  clientId (i) {
    const kind = this.below(3)
    if (kind === 0) return i + 1
    if (kind === 1) return (this.below(0x7fffffff) * 8 + i) % 0xffffffff
    return this.below(0x1fffff) * 0x100000000 + this.below(0xffffffff) // up to 53 bits
  }

  client (i) {
    const doc = new Y.Doc({ gc: true })
    do doc.clientID = this.clientId(i)
    while (this.clients.some(c => c.doc.clientID === doc.clientID))
    const c = { i, doc, text: doc.getText('content'), event: EMPTY, cursor: 0, seen: new Set() }
    doc.on('update', u => { c.event = u })
    this.driver.op('n', i, doc.clientID)
    return c
  }

  word () {
    let n = 1 + this.below(4)
    if (this.chance(0.05)) n = 20 + this.below(200)
    let s = ''
    while (n--) s += this.alphabet[this.below(this.alphabet.length)]
    return s
  }

  position (c) {
    const len = c.text.length
    if (this.chance(0.5)) return Math.min(c.cursor, len)
    return this.below(len + 1)
  }

  edit (c) {
    const len = c.text.length
    if (len === 0 || this.chance(0.65)) {
      const pos = this.position(c)
      const s = this.word()
      c.text.insert(pos, s)
      this.driver.op('i', c.i, pos, s)
      c.cursor = pos + s.length
    } else if (this.chance(0.5) && c.cursor > 0 && c.cursor <= len) {
      c.cursor--
      c.text.delete(c.cursor, 1)
      this.driver.op('d', c.i, c.cursor, 1)
    } else {
      const pos = this.below(len)
      const n = 1 + this.below(Math.min(len - pos, this.chance(0.1) ? len : 6))
      c.text.delete(pos, n)
      this.driver.op('d', c.i, pos, n)
      c.cursor = pos
    }
  }

  transaction (c) {
    c.event = EMPTY
    this.driver.op('b', c.i)
    const edits = this.chance(0.7) ? 1 : 1 + this.below(6)
    c.doc.transact(() => { for (let i = 0; i < edits; i++) this.edit(c) })
    this.driver.ask(`update of client ${c.i}`, c.event, 'c', c.i)
    if (c.event.length) {
      this.updates.push(c.event)
      c.seen.add(this.updates.length - 1)
    }
  }

  apply (c, update) {
    c.event = EMPTY
    Y.applyUpdate(c.doc, update)
    this.driver.op('b', c.i)
    this.driver.ask(`apply at ${c.i}`, ZERO, 'a', c.i, update)
    this.driver.ask(`event at ${c.i}`, c.event, 'c', c.i)
  }

  deliver (c) {
    if (this.updates.length === 0) return
    let at = this.below(this.updates.length)
    if (this.chance(0.7)) { // mostly the next one, else any: too early or known
      at = 0
      while (at < this.updates.length && c.seen.has(at)) at++
      if (at === this.updates.length) return
    }
    c.seen.add(at)
    this.apply(c, this.updates[at])
  }

  sync (from, to) {
    const sv = Y.encodeStateVector(to.doc)
    this.driver.ask(`state vector of ${to.i}`, sv, 's', to.i)
    const diff = Y.encodeStateAsUpdate(from.doc, sv)
    this.driver.ask(`difference ${from.i} to ${to.i}`, diff, 'e', from.i, sv)
    this.apply(to, diff)
  }

  merge (c) {
    if (this.updates.length === 0) return
    const n = 1 + this.below(Math.min(this.updates.length, 8))
    const some = []
    for (let i = 0; i < n; i++) some.push(this.updates[this.below(this.updates.length)])
    const merged = Y.mergeUpdates(some)
    encoding.writeUint8(this.driver.enc, 'm'.charCodeAt(0))
    encoding.writeVarUint(this.driver.enc, n)
    for (const u of some) encoding.writeVarUint8Array(this.driver.enc, u)
    this.driver.expected.push({ label: 'merged updates', want: merged })
    const sv = Y.encodeStateVector(this.clients[this.below(this.clients.length)].doc)
    this.driver.ask('diff of merged', Y.diffUpdate(merged, sv), 'f', merged, sv)
    this.driver.ask('vector of merged', Y.encodeStateVectorFromUpdate(merged), 'v', merged)
    if (this.chance(0.5)) this.apply(c, merged)
    else checkFresh(this.driver, merged, NOBODY, true)
  }

  authors (c) {
    const spans = []
    let pos = 0
    for (let it = c.text._start; it; it = it.right) {
      if (it.deleted || !it.countable) continue
      const last = spans[spans.length - 1]
      if (last && last[0] === it.id.client && last[1] + last[3] === it.id.clock) last[3] += it.length
      else spans.push([it.id.client, it.id.clock, pos, it.length])
      pos += it.length
    }
    const enc = encoding.createEncoder()
    encoding.writeVarUint(enc, spans.length)
    for (const s of spans) for (const v of s) encoding.writeVarUint(enc, v)
    return encoding.toUint8Array(enc)
  }

  check (c) {
    const d = this.driver
    d.ask(`text of ${c.i}`, Buffer.from(c.text.toString()), 't', c.i)
    d.ask(`state vector of ${c.i}`, Y.encodeStateVector(c.doc), 's', c.i)
    d.ask(`snapshot of ${c.i}`, Y.encodeSnapshot(Y.snapshot(c.doc)), 'S', c.i)
    d.ask(`state of ${c.i}`, Y.encodeStateAsUpdate(c.doc), 'e', c.i, EMPTY)
    d.ask(`authors of ${c.i}`, this.authors(c), 'w', c.i)
    const parked = c.doc.store.pendingStructs !== null || c.doc.store.pendingDs !== null
    d.ask(`parked at ${c.i}`, Uint8Array.of(parked ? 1 : 0), 'p', c.i)
    checkFresh(d, Y.encodeStateAsUpdate(c.doc), NOBODY, true)
  }

  // Yjs may overlook that it could go on with what it parked, and where characters were split in the
  // middle its own replicas may differ in U+FFFD; but for those all of ours have one text now.
  converge () {
    if (this.surrogates) return
    const doc = new Y.Doc()
    for (const u of this.updates) Y.applyUpdate(doc, u)
    const text = doc.getText('content').toString()
    for (const c of this.clients) {
      this.driver.op('x', c.i)
      this.driver.ask(`converged text of ${c.i}`, Buffer.from(text), 't', c.i)
    }
  }

  shuffled (v) {
    for (let i = v.length - 1; i > 0; i--) {
      const j = this.below(i + 1)
      ;[v[i], v[j]] = [v[j], v[i]]
    }
    return v
  }

  pick () {
    return this.clients[this.below(this.clients.length)]
  }

  run () {
    const steps = 5 + this.below(this.chance(0.1) ? 120 : 35)
    for (let s = 0; s < steps; s++) {
      const c = this.pick()
      const r = this.random()
      if (r < 0.5) this.transaction(c)
      else if (r < 0.85) this.deliver(c)
      else if (r < 0.9) this.sync(this.pick(), c)
      else if (r < 0.94) this.merge(c)
      else this.check(c)
    }
    for (const c of this.clients) {
      const left = []
      for (let i = 0; i < this.updates.length; i++) if (!c.seen.has(i) || this.chance(0.1)) left.push(i)
      for (const i of this.shuffled(left)) this.apply(c, this.updates[i])
      this.check(c)
    }
    this.converge()
  }
}
