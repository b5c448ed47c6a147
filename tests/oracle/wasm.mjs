// ywasm as a second witness: the updates of a finished history in one document of it, and its state
// in a document of ours. It writes clients in no particular order, so bytes are not compared.
import * as Y from 'yjs'
import * as W from 'ywasm'

const OURS = 20

const clocks = vector => JSON.stringify([...Y.decodeStateVector(vector)].sort((a, b) => a[0] - b[0]))

export const checkWasm = history => {
  if (!history.clients || history.surrogates || history.updates.length === 0) return
  // It cuts client ids off at 32 bits.
  if (history.clients.some(c => c.doc.clientID > 0xffffffff)) return
  const doc = new W.YDoc({ clientID: 1, gc: true })
  const text = doc.getText('content')
  for (const u of history.updates) W.applyUpdate(doc, u, null)
  const want = history.clients[0]
  if (text.toString() !== want.text.toString()) throw new Error('ywasm has another text')
  if (clocks(W.encodeStateVector(doc)) !== clocks(Y.encodeStateVector(want.doc))) {
    throw new Error('ywasm has another state vector')
  }
  const driver = history.driver
  driver.op('n', OURS, 1)
  driver.ask('applying the state of ywasm', Uint8Array.of(0), 'a', OURS, W.encodeStateAsUpdate(doc))
  driver.ask('text from ywasm', Buffer.from(want.text.toString()), 't', OURS)
  driver.ask('vector from ywasm', Y.encodeStateVector(want.doc), 's', OURS)
  doc.free()
}
