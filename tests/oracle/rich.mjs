// Histories with contents that the engine does not edit: maps, arrays, XML, formats, embeds,
// binaries, subdocuments. Yjs writes them; an observer of ours and an observer of Yjs take in the
// same updates and must stay alike. The root texts are untyped in the observers, because a typed one
// would delete superfluous formats by itself.
import * as Y from 'yjs'
import { checkFresh } from './fresh.mjs'
import { rng } from './history.mjs'

const EMPTY = new Uint8Array(0)

export class Rich {
  constructor (driver, seed) {
    this.driver = driver
    this.random = rng(seed)
    this.updates = []
    this.writers = []
    const n = 2 + this.below(3)
    for (let i = 0; i < n; i++) {
      const doc = new Y.Doc({ gc: true })
      doc.clientID = 1 + this.below(1000) * 8 + i
      doc.on('update', u => { this.updates.push(u) })
      this.writers.push(doc)
    }
    this.observers = [0, 1].map(i => {
      const c = { i, doc: new Y.Doc({ gc: true }), event: EMPTY }
      c.doc.clientID = 900000 + i
      c.doc.on('update', u => { c.event = u })
      driver.op('n', i, c.doc.clientID)
      return c
    })
  }

  below (n) { return Math.floor(this.random() * n) }
  chance (p) { return this.random() < p }
  of (v) { return v[this.below(v.length)] }

  value (depth = 0) {
    switch (this.below(depth > 2 ? 7 : 9)) {
      case 0: return this.below(1000) - 500
      case 1: return this.random() * 1e9
      case 2: return this.of(['', 'text', 'zwölf 😀', 'a'.repeat(70)])
      case 3: return this.chance(0.5)
      case 4: return null
      case 5: return this.of([1.5, 0.25, 2 ** 40, -(2 ** 33), 1e300])
      case 6: return this.below(2 ** 31 - 1)
      case 7: return Array.from({ length: this.below(4) }, () => this.value(depth + 1))
      default: return Object.fromEntries(Array.from({ length: this.below(4) }, (_, i) => ['k' + i, this.value(depth + 1)]))
    }
  }

  shared () {
    switch (this.below(7)) {
      case 0: return new Y.Map([['a', this.value()]])
      case 1: return Y.Array.from([1, 'x', this.value()])
      case 2: return new Y.Text('nested 😀')
      case 3: return new Y.XmlElement(this.of(['p', 'div', 'überschrift']))
      case 4: return new Y.XmlText('xml')
      case 5: return new Y.XmlFragment()
      default: return new Y.Doc({ guid: 'sub' + this.below(1e6), autoLoad: this.chance(0.3), meta: this.chance(0.3) ? { a: 1 } : null })
    }
  }

  anything () {
    const r = this.random()
    if (r < 0.5) return this.value()
    if (r < 0.6) return Uint8Array.from([1, 2, 255, this.below(256)])
    return this.shared()
  }

  // Some shared type below the roots.
  target (doc) {
    let t = this.of([doc.getMap('map'), doc.getArray('list'), doc.getText('content'), doc.getXmlFragment('xml')])
    for (let depth = this.below(4); depth > 0; depth--) {
      const below = []
      if (t instanceof Y.Map) t.forEach(v => below.push(v))
      else if (t instanceof Y.Array || t instanceof Y.XmlFragment) t.toArray().forEach(v => below.push(v))
      const types = below.filter(v => v instanceof Y.AbstractType)
      if (types.length === 0) break
      t = this.of(types)
    }
    return t
  }

  editText (t, root) {
    const len = t.length
    const pos = this.below(len + 1)
    const r = this.random()
    if (r < 0.4) t.insert(pos, this.of(['a', 'hello', '😀', 'ü', '日本']))
    else if (r < 0.6 && len) t.delete(this.below(len), 1)
    else if (r < 0.8 && root && len) t.format(this.below(len), 1 + this.below(3), { [this.of(['bold', 'color'])]: this.of([true, null, 'red', { x: 1 }]) })
    else if (root) t.insertEmbed(pos, this.of([{ image: 'x' }, { a: [1, 2] }]))
  }

  editSequence (t) {
    const len = t.length
    const xml = t instanceof Y.XmlFragment
    const pos = this.below(len + 1)
    if (len && this.chance(0.35)) {
      const at = this.below(len)
      t.delete(at, 1 + this.below(len - at))
    } else if (xml) {
      t.insert(pos, [this.chance(0.5) ? new Y.XmlElement('e') : new Y.XmlText('t')])
    } else {
      t.insert(pos, Array.from({ length: 1 + this.below(3) }, () => this.anything()))
    }
  }

  edit (doc) {
    const t = this.target(doc)
    if (t instanceof Y.Map) {
      const key = this.of(['a', 'b', 'c', 'schlüssel'])
      if (this.chance(0.25)) t.delete(key)
      else t.set(key, this.anything())
    } else if (t instanceof Y.XmlElement && this.chance(0.4)) {
      if (this.chance(0.3)) t.removeAttribute('id')
      else t.setAttribute('id', 'v' + this.below(9))
    } else if (t instanceof Y.Text) {
      this.editText(t, t._item === null)
    } else if (t instanceof Y.Array || t instanceof Y.XmlFragment) {
      this.editSequence(t)
    }
  }

  observe (c, update) {
    c.event = EMPTY
    Y.applyUpdate(c.doc, update)
    this.driver.op('b', c.i)
    this.driver.ask(`apply at observer ${c.i}`, Uint8Array.of(0), 'a', c.i, update)
    this.driver.ask(`event at observer ${c.i}`, c.event, 'c', c.i)
    if (this.chance(0.2)) this.check(c)
  }

  check (c) {
    this.driver.ask(`state of observer ${c.i}`, Y.encodeStateAsUpdate(c.doc), 'e', c.i, EMPTY)
    this.driver.ask(`snapshot of observer ${c.i}`, Y.encodeSnapshot(Y.snapshot(c.doc)), 'S', c.i)
  }

  run () {
    const steps = 5 + this.below(40)
    for (let s = 0; s < steps; s++) {
      const doc = this.of(this.writers)
      if (this.chance(0.6)) doc.transact(() => { for (let i = 1 + this.below(3); i > 0; i--) this.edit(doc) })
      else if (this.updates.length) Y.applyUpdate(doc, this.of(this.updates))
      if (this.chance(0.3)) {
        const other = this.of(this.writers)
        Y.applyUpdate(doc, Y.encodeStateAsUpdate(other, Y.encodeStateVector(doc)))
      }
    }
    const [inOrder, anyOrder] = this.observers
    const n = this.updates.length
    for (let i = 0; i < n; i++) this.observe(inOrder, this.updates[i])
    const order = Array.from({ length: n }, (_, i) => i)
    for (let i = n - 1; i > 0; i--) {
      const j = this.below(i + 1)
      ;[order[i], order[j]] = [order[j], order[i]]
    }
    for (const i of order) this.observe(anyOrder, this.updates[i])
    if (n) {
      const merged = Y.mergeUpdates(this.updates)
      const sv = Y.encodeStateVector(this.writers[0])
      this.driver.ask('diff of merged', Y.diffUpdate(merged, sv), 'f', merged, sv)
      this.driver.ask('vector of merged', Y.encodeStateVectorFromUpdate(merged), 'v', merged)
    }
    for (const c of this.observers) {
      this.check(c)
      checkFresh(this.driver, Y.encodeStateAsUpdate(c.doc), c.doc.clientID, false)
    }
  }
}
