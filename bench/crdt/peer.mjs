// node peer.mjs LIB TRACE: the same work with a peer, as one line of JSON. The kinds of work are
// those of `yupdate replay`; what a peer has no word for is left out.
import fs from 'node:fs'
import zlib from 'node:zlib'

const [lib, path] = process.argv.slice(2)
let data = fs.readFileSync(path)
if (data[0] === 0x1f) data = zlib.gunzipSync(data)
const trace = JSON.parse(data)
const concurrent = trace.kind === 'concurrent'
const patches = concurrent ? [] : trace.txns.flatMap(t => t.patches)
const MERGE_MAX = 20000 // updates; joining more takes a peer minutes
const LOADS = 7
const ROOT = 'content'

// The smaller of wall clock and processor time: other jobs on the machine lengthen the first, helper
// threads of the runtime the second.
const time = f => {
  const cpu = process.cpuUsage()
  const begin = performance.now()
  const result = f()
  const wall = performance.now() - begin
  const used = process.cpuUsage(cpu)
  return [Math.min(wall, (used.user + used.system) / 1000), result]
}

const median = v => v.sort((a, b) => a - b)[v.length >> 1]

const loads = f => {
  const times = []
  let text
  for (let i = 0; i < LOADS; i++) {
    const [ms, result] = time(f)
    times.push(ms)
    text = result
  }
  return [median(times), text]
}

const peers = {
  async yjs () {
    const Y = await import('yjs')
    const fresh = id => {
      const doc = new Y.Doc({ gc: true })
      doc.clientID = id
      const text = doc.getText(ROOT)
      return { doc, text }
    }
    return {
      fresh,
      edit: (d, [pos, del, ins]) => d.doc.transact(() => {
        if (del) d.text.delete(pos, del)
        if (ins) d.text.insert(pos, ins)
      }),
      listen: (d, f) => d.doc.on('update', u => f(u)),
      apply: (d, u) => Y.applyUpdate(d.doc, u),
      state: d => Y.encodeStateAsUpdate(d.doc),
      load: state => {
        const d = fresh(9999)
        Y.applyUpdate(d.doc, state)
        return d.text.toString()
      },
      merge: Y.mergeUpdates,
      text: d => d.text.toString()
    }
  },

  async ywasm () {
    const W = await import('ywasm')
    const fresh = id => {
      const doc = new W.YDoc({ clientID: id, gc: true })
      return { doc, text: doc.getText(ROOT) }
    }
    return {
      fresh,
      edit: (d, [pos, del, ins]) => {
        const txn = d.doc.beginTransaction()
        if (del) d.text.delete(pos, del, txn)
        if (ins) d.text.insert(pos, ins, undefined, txn)
        txn.commit()
        txn.free()
      },
      listen: (d, f) => d.doc.onUpdate(u => f(u)),
      apply: (d, u) => W.applyUpdate(d.doc, u, null),
      state: d => W.encodeStateAsUpdate(d.doc),
      load: state => {
        const d = fresh(9999)
        W.applyUpdate(d.doc, state, null)
        const text = d.text.toString()
        d.doc.free()
        return text
      },
      text: d => d.text.toString()
    }
  },

  async loro () {
    const { LoroDoc } = await import('loro-crdt')
    const fresh = id => {
      const doc = new LoroDoc()
      doc.setPeerId(String(id))
      return { doc, text: doc.getText(ROOT) }
    }
    return {
      fresh,
      edit: (d, [pos, del, ins]) => {
        if (del) d.text.delete(pos, del)
        if (ins) d.text.insert(pos, ins)
        d.doc.commit()
      },
      listen: (d, f) => d.doc.subscribeLocalUpdates(f),
      apply: (d, u) => d.doc.import(u),
      state: d => d.doc.export({ mode: 'snapshot' }),
      load: state => {
        const doc = new LoroDoc()
        doc.import(state)
        return doc.getText(ROOT).toString()
      },
      text: d => d.text.toString()
    }
  },

  async jsonjoy () {
    const { default: pkg } = await import('json-joy/lib/json-crdt/index.js')
    const { Model } = pkg
    const fresh = id => {
      const model = Model.create(undefined, 65536 + id)
      model.api.set('')
      return { model, text: model.api.str([]) }
    }
    return {
      fresh,
      edit: (d, [pos, del, ins]) => {
        if (del) d.text.del(pos, del)
        if (ins) d.text.ins(pos, ins)
      },
      state: d => d.model.toBinary(),
      load: state => Model.fromBinary(state).view(),
      text: d => d.model.view()
    }
  }
}

const sequential = (p, out) => {
  let d = p.fresh(1)
  ;[out.replay_ms] = time(() => { for (const x of patches) p.edit(d, x) })
  let same = p.text(d) === trace.endContent
  if (p.listen) {
    const log = []
    d = p.fresh(1)
    p.listen(d, u => log.push(u))
    ;[out.update_ms] = time(() => { for (const x of patches) p.edit(d, x) })
    out.updates_size = log.reduce((a, u) => a + u.length, 0)
    const copy = p.fresh(2)
    ;[out.apply_ms] = time(() => { for (const u of log) p.apply(copy, u) })
    same = same && p.text(copy) === trace.endContent
    if (p.merge && log.length <= MERGE_MAX) {
      const [ms, merged] = time(() => p.merge(log))
      out.merge_ms = ms
      out.merged_size = merged.length
    }
  }
  return [d, same]
}

const live = (p, out) => {
  const { txns, numAgents } = trace
  const log = []
  let update
  const agents = Array.from({ length: numAgents }, (_, i) => {
    const d = p.fresh(1 + i)
    d.seen = new Uint8Array(txns.length)
    p.listen(d, u => { update = u })
    return d
  })
  const unseen = (a, i, todo) => {
    for (const q of txns[i].parents) {
      if (a.seen[q]) continue
      a.seen[q] = 1
      todo.push(q)
    }
  }
  ;[out.live_ms] = time(() => {
    for (let i = 0; i < txns.length; i++) {
      const a = agents[txns[i].agent]
      const todo = []
      unseen(a, i, todo)
      for (let k = 0; k < todo.length; k++) unseen(a, todo[k], todo)
      todo.sort((x, y) => x - y)
      for (const q of todo) p.apply(a, log[q])
      for (const x of txns[i].patches) p.edit(a, x)
      log.push(update)
      a.seen[i] = 1
    }
  })
  out.updates_size = log.reduce((a, u) => a + u.length, 0)
  for (const a of agents) for (let i = 0; i < txns.length; i++) if (!a.seen[i]) p.apply(a, log[i])
  const late = p.fresh(99)
  ;[out.apply_ms] = time(() => { for (const u of log) p.apply(late, u) })
  return [agents[0], agents.every(a => p.text(a) === p.text(late))]
}

const p = await peers[lib]()
const out = { lib }
if (!concurrent || p.listen) {
  const [d, same] = concurrent ? live(p, out) : sequential(p, out)
  let state
  ;[out.encode_ms, state] = time(() => p.state(d))
  out.state_size = state.length
  const [ms, text] = loads(() => p.load(state))
  out.load_ms = ms
  out.same = same && (concurrent || text === trace.endContent)
}
console.log(JSON.stringify(out))
process.exit(0)
