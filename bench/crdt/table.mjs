// Prints the figures of a run: one table for each kind of work, with our share of each peer's time,
// and whether the goals were met.
import fs from 'node:fs'

const rows = fs.readFileSync(process.argv[2], 'utf8').trim().split('\n').map(l => JSON.parse(l))
const traces = [...new Set(rows.map(r => r.trace))]
const libs = ['ours', 'floor', 'yjs', 'ywasm', 'jsonjoy', 'loro'].filter(l => rows.some(r => r.lib === l))
const get = (trace, lib, key) => rows.find(r => r.trace === trace && r.lib === lib)?.[key]
const fmt = ms => ms === undefined ? '-' : ms < 10 ? ms.toFixed(2) : ms < 100 ? ms.toFixed(1) : ms.toFixed(0)
const short = t => t.replace('.json.gz', '').replace('.json', '')

const kinds = [
  ['replay_ms', 'replay, a transaction per patch'],
  ['update_ms', 'the same, every update written'],
  ['apply_ms', 'apply those updates one by one'],
  ['load_ms', 'load the document and read its text'],
  ['live_ms', 'concurrent, every transaction delivered'],
  ['merge_ms', 'merge all updates into one'],
  ['encode_ms', 'encode the state'],
  ['state_size', 'bytes of the encoded state']
]

const mean = v => Math.exp(v.reduce((a, x) => a + Math.log(x), 0) / v.length)

for (const [key, title] of kinds) {
  const used = traces.filter(t => get(t, 'ours', key) !== undefined)
  const peers = libs.filter(l => used.some(t => get(t, l, key) !== undefined))
  if (used.length === 0) continue
  console.log(`\n${title}`)
  console.log(['trace'.padEnd(28), ...peers.map(l => l.padStart(10))].join(''))
  for (const t of used) {
    console.log([short(t).padEnd(28), ...peers.map(l => (key.endsWith('size') ? String(get(t, l, key) ?? '-') : fmt(get(t, l, key))).padStart(10))].join(''))
  }
  if (key.endsWith('size')) continue
  const ratios = peers.map(l => {
    const both = used.filter(t => get(t, l, key) !== undefined)
    if (l === 'ours') return ''
    const r = mean(both.map(t => get(t, 'ours', key) / get(t, l, key)))
    return r < 1 ? `1/${(1 / r).toFixed(0)}` : `${r.toFixed(1)}x`
  })
  console.log(['ours, geometric mean'.padEnd(28), ...ratios.map(r => r.padStart(10))].join(''))
}

const ratio = (key, peer, pick = () => true) => {
  const both = traces.filter(t => pick(t) && get(t, 'ours', key) !== undefined && get(t, peer, key) !== undefined)
  return both.length ? mean(both.map(t => get(t, 'ours', key) / get(t, peer, key))) : undefined
}
const b4 = t => t.startsWith('automerge-paper')
const flat = t => get(t, 'ours', 'replay_ms') !== undefined
const goals = [
  ['replay of automerge-paper against the gap buffer', ratio('replay_ms', 'floor', b4), 10],
  ['replay with updates against yjs', ratio('update_ms', 'yjs', flat), 1 / 50],
  ['applying updates one by one against yjs', ratio('apply_ms', 'yjs', flat), 1 / 30],
  ['loading against yjs', ratio('load_ms', 'yjs', flat), 1 / 25],
  ['concurrent against yjs', ratio('live_ms', 'yjs'), 1 / 70],
  ['merging updates against yjs', ratio('merge_ms', 'yjs'), 1 / 100]
]
console.log('\ngoals')
for (const [name, got, goal] of goals) {
  if (got === undefined) continue
  const text = x => x < 1 ? `1/${(1 / x).toFixed(0)}` : `${x.toFixed(1)} x`
  console.log(`  ${got <= goal ? 'met   ' : 'MISSED'} ${name.padEnd(52)} ${text(got).padStart(8)}  (goal ${text(goal)})`)
}
for (const t of traces.filter(b4)) {
  const heap = get(t, 'ours', 'heap')
  console.log(`  ${heap <= 1.2e6 ? 'met   ' : 'MISSED'} ${'live memory after automerge-paper'.padEnd(52)} ${(heap / 1e6).toFixed(2).padStart(8)}  (goal 1.2 MB)`)
}
const differing = rows.filter(r => r.same === false)
for (const r of differing) console.log(`  ${r.lib} did not reproduce ${r.trace}`)
process.exit(differing.some(r => r.lib === 'ours') ? 1 : 0)
