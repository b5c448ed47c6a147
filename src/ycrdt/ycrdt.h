/*
 * Text documents that converge: a CRDT with the data model and the v1 update encoding of Yjs, so
 * that any Yjs client and this engine come to the same document from the same updates.
 *
 * Model: YATA (Nicolaescu, Jahns, Derntl, Klamma: "Near Real-Time Peer-to-Peer Shared Editing on
 * Extensible Data Types", GROUP 2016) as Yjs implements it: every unit of text has an id (client,
 * clock), an origin to the left and one to the right, and is never moved; deleted units leave a
 * tombstone without content. A document holds named root texts, and whatever else came in by
 * updates of others (formats, embeds, maps, arrays, XML, subdocuments), which is kept and written
 * again unchanged.
 *
 * Units. Clocks, lengths and positions count UTF-16 code units, as in Yjs; text goes in and comes
 * out as UTF-8. The ..._bytes functions take positions in UTF-8 bytes. Embeds and nested types
 * within a text count one unit and no byte. A position between the halves of a surrogate pair is
 * allowed and does what Yjs does: both halves become U+FFFD.
 *
 * Raw documents (YCRDT_RAW) hold arbitrary bytes, one unit each, for files that are not UTF-8.
 * Their updates look like others, but only raw documents can read them: keep them in the process.
 *
 * Transactions. Every editing call is a transaction of its own unless it stands between
 * ycrdt_begin and ycrdt_commit. Transaction boundaries decide what an update holds; the encoded
 * state does not depend on them as long as the documents converge.
 *
 * Ownership: a document owns everything in it; output goes into the caller's struct str, which is
 * appended to. Nothing here does I/O, reads a clock or logs. A document belongs to one thread at a
 * time.
 *
 * Errors: ERR_INVALID for malformed input or a position outside the text, ERR_LIMIT where a named
 * maximum is exceeded. Whenever a function fails, document and output are as they were before.
 *
 * Stricter than Yjs, all with ERR_INVALID: invalid UTF-8, trailing bytes behind an update or a
 * state vector, structs of length 0, references of a struct to itself or to later ones of the same
 * client, overlapping or repeated client sections, nesting deeper than YCRDT_MAX_DEPTH.
 */
#ifndef YCRDT_YCRDT_H
#define YCRDT_YCRDT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define YCRDT_MAX_CLIENT ((UINT64_C(1) << 53) - 1) /* largest integer a Yjs client can hold */
#define YCRDT_MAX_CLOCK UINT64_C(0x7fffffff)       /* units of one client */
#define YCRDT_MAX_UPDATE ((size_t)1 << 30)         /* bytes of one update or of one inserted text */
#define YCRDT_MAX_CLIENTS ((size_t)1 << 20)        /* clients in one document */
#define YCRDT_MAX_TEXT ((size_t)2 << 30)           /* bytes of content of a document */
#define YCRDT_MAX_DEPTH 100                        /* nesting of JSON and "any" values */

struct ycrdt;

enum ycrdt_flags {
    YCRDT_RAW = 1, /* one unit per byte, no character set */
};

/* A document whose own edits carry the id `client` (at most YCRDT_MAX_CLIENT). Never NULL. Two
 * documents that edit at the same time must not have the same client. */
struct ycrdt *ycrdt_new(uint64_t client, unsigned flags);
void ycrdt_free(struct ycrdt *doc); /* NULL is fine */
void ycrdt_freep(struct ycrdt **doc);
#define cleanup_ycrdt cleanup(ycrdt_freep)

uint64_t ycrdt_client(const struct ycrdt *doc);

/* The root text of this name (created when new); the number stays valid as long as the document.
 * The name is UTF-8. */
unsigned ycrdt_text(struct ycrdt *doc, const char *name);

/* --- editing ------------------------------------------------------------------------------------
 */

/* pos <= ycrdt_units(). The text must be valid UTF-8 (any bytes in a raw document); n = 0 does
 * nothing. */
int ycrdt_insert(struct ycrdt *doc, unsigned text, size_t pos, const char *p, size_t n,
                 struct err *err);
/* Deletes len units from pos on; pos + len <= ycrdt_units(). */
int ycrdt_delete(struct ycrdt *doc, unsigned text, size_t pos, size_t len, struct err *err);
/* The same with positions and lengths in UTF-8 bytes; ERR_INVALID within a character. */
int ycrdt_insert_bytes(struct ycrdt *doc, unsigned text, size_t pos, const char *p, size_t n,
                       struct err *err);
int ycrdt_delete_bytes(struct ycrdt *doc, unsigned text, size_t pos, size_t len, struct err *err);

/* Groups the calls up to ycrdt_commit into one transaction; they do not nest. */
void ycrdt_begin(struct ycrdt *doc);
/* Ends the transaction and appends its update (v1) to *update, nothing when nothing changed.
 * NULL: the update is not wanted. */
void ycrdt_commit(struct ycrdt *doc, struct str *update);

/* --- reading ------------------------------------------------------------------------------------
 */

size_t ycrdt_units(const struct ycrdt *doc, unsigned text);
size_t ycrdt_bytes(const struct ycrdt *doc, unsigned text);
/* Appends the text as UTF-8. */
void ycrdt_read(const struct ycrdt *doc, unsigned text, struct str *out);

/* A stretch of visible text typed by one client without a gap in its clocks. */
struct ycrdt_span {
    uint64_t client;
    uint64_t clock; /* of the first unit */
    size_t pos;     /* in units */
    size_t len;
    size_t byte_pos;
    size_t byte_len;
};
/* Who wrote what, in text order, neighbours of one client with running clocks joined.
 * *spans: caller frees. */
void ycrdt_authors(const struct ycrdt *doc, unsigned text, struct ycrdt_span **spans, size_t *n);

/* --- updates ------------------------------------------------------------------------------------
 */

/* Applies one update (v1), in any order and any number of times: structs whose cause has not
 * arrived are parked, as in Yjs, and applied when it does. */
int ycrdt_apply(struct ycrdt *doc, const void *update, size_t n, struct err *err);
/* Parked structs are looked at again when an update brings what they are known to lack. As in Yjs
 * that can overlook one (after deliveries far out of order), which then waits for a later update;
 * this looks at all of them, for the end of a delivery. */
void ycrdt_settle(struct ycrdt *doc);
/* Something is parked. */
bool ycrdt_has_pending(const struct ycrdt *doc);

/* Appends what a document with state vector sv lacks; sv = NULL: everything. Parked structs are
 * included. */
int ycrdt_encode(struct ycrdt *doc, const void *sv, size_t sv_len, struct str *out,
                 struct err *err);
void ycrdt_encode_sv(const struct ycrdt *doc, struct str *out);
/* Delete set and state vector, as Yjs' encodeSnapshot writes them. */
void ycrdt_encode_snapshot(const struct ycrdt *doc, struct str *out);

struct ycrdt_clock {
    uint64_t client;
    uint64_t clock; /* the number of units known: the next clock of that client */
};
/* *clocks: caller frees; sorted by falling client. */
int ycrdt_sv_decode(const void *sv, size_t n, struct ycrdt_clock **clocks, size_t *count,
                    struct err *err);
void ycrdt_sv_encode(const struct ycrdt_clock *clocks, size_t count, struct str *out);

/* --- updates without a document -----------------------------------------------------------------
 */

struct ycrdt_buf {
    const void *p;
    size_t n;
};
/* One update that does what all of them do, byte for byte as Yjs' mergeUpdates. */
int ycrdt_merge_updates(const struct ycrdt_buf *updates, size_t count, struct str *out,
                        struct err *err);
/* The part of an update that a document with state vector sv lacks. */
int ycrdt_diff_update(const void *update, size_t n, const void *sv, size_t sv_len, struct str *out,
                      struct err *err);
/* The state vector of a document made of this update alone. */
int ycrdt_update_sv(const void *update, size_t n, struct str *out, struct err *err);

/* --- figures ------------------------------------------------------------------------------------
 */

struct ycrdt_stats {
    size_t structs; /* items and collected tombstones */
    size_t clients;
    size_t heap; /* bytes allocated by the document */
};
void ycrdt_stats(const struct ycrdt *doc, struct ycrdt_stats *stats);

#endif
