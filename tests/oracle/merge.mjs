// merge-file --emit-updates against npm's Yjs: the three updates, applied in every order, give the
// bytes of the merge; the base update alone gives the base. Prints one line; exits 1 on a difference.
//
//     node merge.mjs PROGRAM COUNT SEED
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as Y from 'yjs'

const [program, count, seed] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])]
const dir = mkdtempSync(join(tmpdir(), 'steadystate-merge-'))

let state
const chance = below => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return (state >>> 8) % below
}
const words = ['a', 'bc', 'likes', 'pizza', '(', ')', ',', ';', '}', 'Höhe', '日本', '😀', 'x = 1', '\t', 'foo(a)']
const line = () => Array.from({ length: 1 + chance(5) }, () => words[chance(words.length)]).join(' ') + (chance(9) ? '\n' : '\r\n')
const text = () => Array.from({ length: chance(12) }, line)
const edit = lines => {
  const out = []
  for (const l of lines) {
    const what = chance(9)
    if (what === 0) continue
    if (what === 1) out.push(line())
    if (what === 2) out.push(l.replace(/\S+/, words[chance(words.length)]))
    else if (what === 3) out.push(l.trimEnd() + ' ' + words[chance(words.length)] + '\n')
    else out.push(l)
  }
  if (chance(4) === 0) out.push(line())
  return out
}
const finish = lines => (chance(8) ? lines.join('') : lines.join('').trimEnd())

const orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]
const failures = []
let reported = 0
const check = (n) => {
  state = (n * 2654435761) >>> 0
  const base = text()
  const versions = { base: finish(base), local: finish(edit(base)), canonical: finish(edit(base)) }
  for (const name in versions) writeFileSync(join(dir, name), versions[name])
  const r = spawnSync(program, ['merge-file', '-p', '-q', '--emit-updates', join(dir, 'updates'),
    join(dir, 'local'), join(dir, 'base'), join(dir, 'canonical')])
  if (r.status === null || r.status > 127) return `status ${r.status}: ${r.stderr}`
  reported += r.status > 0
  const updates = ['base', 'local', 'canonical'].map(name => readFileSync(join(dir, 'updates', name + '.update')))
  const alone = new Y.Doc()
  Y.applyUpdate(alone, updates[0])
  if (alone.getText('content').toString() !== versions.base) return 'the base update is not the base'
  for (const order of orders) {
    const doc = new Y.Doc()
    for (const i of order) Y.applyUpdate(doc, updates[i])
    if (!Buffer.from(doc.getText('content').toString()).equals(r.stdout)) return `order ${order} differs`
  }
  return null
}
for (let n = seed; n < seed + count; n++) {
  const why = check(n)
  if (why) failures.push(`seed ${n}: ${why}`)
}
rmSync(dir, { recursive: true })
for (const f of failures.slice(0, 10)) console.error(f)
console.log(`merges in Yjs: ${count}, with a reported overlap ${reported}, seeds ${seed} to ${seed + count - 1}`)
console.log(`${count - failures.length} passed, ${failures.length} failed`)
process.exit(failures.length ? 1 : 0)
