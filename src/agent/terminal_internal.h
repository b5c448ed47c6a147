/* What the files of the shared terminal share. */
#ifndef AGENT_TERMINAL_INTERNAL_H
#define AGENT_TERMINAL_INTERNAL_H

#include "agent/terminal.h"
#include "agent/typing.h"

struct terminal_client {
    struct terminal *terminal;
    struct terminal_client *next;
    struct conn *conn;
    uint32_t frame_id;
    pid_t peer;
    char *provider;
    char *login;
    bool read_only;
    bool over; /* its tmux client has ended */
    int master;
    char *tty;
    struct loop_watch *watch;
    struct str input; /* not yet written */
    struct typing typing;
    bool paste_open; /* the terminal got the beginning of a paste and not yet its end */
    int64_t told_at; /* monotonic ms: when a watcher was last told that they watch */
    bool flags_known;
    bool flags_watch; /* what tmux was told */
    char *message;    /* to be shown, or NULL */
    /* the round of tmux's commands under way */
    bool in_round;
    bool round_watch;
    const char *round_message;
};

struct terminal {
    struct agent *agent;
    struct roles roles;
    struct terminal_client *first;
    int n;
    bool prepared;
    char *roles_path;
    char *dir;    /* the agent's: tmux.conf, gitconfig, hooks */
    char *run;    /* the account's: the socket */
    char *socket; /* tmux's */
    char *config;
    char *gitconfig;
    char *tmux; /* the program */
    char *speaker_provider, *speaker_login;
    char *written_author; /* whose name gitconfig has */
    uint64_t offered;     /* the table's clock when co-authors were last asked for */
    struct strv waiting;  /* provider:login of those who wait */
    /* tmux's own commands, one round after another */
    bool dirty;
    bool busy;
    int tries;
    struct loop_watch *retry;
    struct leaving *leaving;
};

bool terminal_client_types(const struct terminal_client *client);
/* Writes of its input what the terminal takes now, the rest when it can. */
void terminal_write(struct terminal_client *client);

/* terminal_files.c: directories, configuration, hooks. */
int terminal_make_files(struct terminal *t, const struct account *account, struct err *err);
/* The author of what is committed from now on; no fsync, since it happens while somebody types. */
void terminal_write_author(struct terminal *t);

/* terminal_paste.c: a paste that is broken off is ended in its place; else the program in the
 * terminal takes what everybody types for the rest of it. */
/* Puts the end behind what the client has still to write. */
void terminal_end_paste(struct terminal_client *client);
/* The same for one who leaves: takes master, which lives on until that is read. */
void terminal_leave_paste(struct terminal *t, int master);
void terminal_free_leaving(struct terminal *t);

/* terminal_tmux.c: who is there, sizes and messages, as tmux shows them. */
void terminal_refresh(struct terminal *t);
/* A line on that client's screen. */
void terminal_say(struct terminal_client *client, const char *text);
/* On the screens of the owner and the creator. */
void terminal_say_owner(struct terminal *t, const char *text);
/* For children: becomes the account; borrowed from the accounts table, valid until it changes. */
struct sandbox_child terminal_child(const struct terminal *t);

/* terminal_people.c */
bool terminal_is_in_charge(const struct terminal *t, const char *provider, const char *login);
void terminal_someone_typed(struct terminal_client *client, struct typing_seen seen);
/* Prefix y: lets in who has waited longest; false: nobody waits. */
bool terminal_approve_first(struct terminal *t, const char *provider, const char *login);

#endif
