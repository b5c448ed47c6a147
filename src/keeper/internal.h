/* Inside of the keeper: what its files share. Everything belongs to the loop's thread but
 * keeper_send_*, and what a task's run function touches of its own task. */
#ifndef KEEPER_INTERNAL_H
#define KEEPER_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "base/loop.h"
#include "base/str.h"
#include "base/work.h"
#include "compute/channel.h"
#include "keeper/archive.h"
#include "keeper/request.h"
#include "keeper/server.h"

struct keeper;
struct ksession;

/* One request under way. */
struct task {
    struct keeper *keeper;
    struct ksession *session; /* NULL: a verb without one */
    uint32_t id;
    struct keeper_request req;
    struct task *next; /* in the session's queue */

    void (*work)(struct task *t);  /* on a worker */
    void (*after)(struct task *t); /* then on the loop's thread */

    /* results */
    int code;
    struct err err;
    struct json_object *reply; /* owned; NULL: only ok */
    struct str data;           /* sent before the reply */

    /* start and stop */
    struct provider_conn conn;
    struct json_object *hello;
    struct archive_writer *archive;
    struct loop_watch *timer;
    bool waits_for_ready;
    bool archived;
};

/* What the keeper knows of a session: its channel and the verbs that must come one after another.
 */
struct ksession {
    struct keeper *keeper;
    char id[SESSION_ID_LEN + 1];
    struct channel *channel;
    bool stopping; /* the end of the channel is no event */
    bool failed;   /* its agent said so: it stays that way until it is started anew */
    struct task *first;
    struct task *last;
    struct ksession *next;
};

struct keeper {
    const struct keeper_options *options;
    struct loop *loop;
    struct work_pool *pool;
    struct loop_watch *api_watch;
    struct loop_watch *drain_timer;
    struct str in;
    struct ksession *sessions;
    size_t tasks;
    bool api_gone;
    struct err fatal;

    pthread_mutex_t out_lock;
    struct str out;
    bool loop_done;
};

/* ---- server.c ---- */

/* Any thread. obj is taken. */
void keeper_send_json(struct keeper *k, uint32_t id, struct json_object *obj);
/* The same for events: dropped when the api process does not keep up. */
void keeper_send_event(struct keeper *k, struct json_object *obj);

/* Runs t->work on a worker and t->after on the loop. */
void task_work(struct task *t, void (*work)(struct task *t), void (*after)(struct task *t));
/* Answers with t->code, t->err, t->reply, t->data, begins the next task of the session, frees t. */
void task_finish(struct task *t);
void task_fail(struct task *t, const struct err *err);
/* Forgets a session that has neither a channel nor anything to do. */
void ksession_settle(struct ksession *s);

/* ---- verbs.c ---- */

/* Begins a task; its session's queue is at this task. */
void task_begin(struct task *t);

/* ---- lifecycle.c: start, stop ---- */

void task_begin_start(struct task *t);
void task_begin_stop(struct task *t);
/* Closes the channel without an event. */
void ksession_disconnect(struct ksession *s);

#endif
