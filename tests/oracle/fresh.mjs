// One update, a whole state mostly, into empty documents: by itself, and within a transaction whose
// update is compared too.
import * as Y from 'yjs'

const EMPTY = new Uint8Array(0)
const FRESH = [32, 33]

export const checkFresh = (driver, update, client, typed) => {
  for (const i of FRESH) {
    const doc = new Y.Doc({ gc: true })
    doc.clientID = client
    const text = typed && doc.getText('content')
    let event = EMPTY
    doc.on('update', u => { event = u })
    Y.applyUpdate(doc, update)
    driver.op('n', i, client)
    if (i === FRESH[0]) driver.op('b', i)
    driver.ask('apply to an empty document', Uint8Array.of(0), 'a', i, update)
    if (i === FRESH[0]) driver.ask('event at an empty document', event, 'c', i)
    if (typed) driver.ask('text of the loaded', Buffer.from(text.toString()), 't', i)
    driver.ask('snapshot of the loaded', Y.encodeSnapshot(Y.snapshot(doc)), 'S', i)
    driver.ask('state of the loaded', Y.encodeStateAsUpdate(doc), 'e', i, EMPTY)
    const parked = doc.store.pendingStructs !== null || doc.store.pendingDs !== null
    driver.ask('parked at the loaded', Uint8Array.of(parked ? 1 : 0), 'p', i)
  }
}
