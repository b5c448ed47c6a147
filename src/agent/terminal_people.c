/* The people of the shared terminal: roles, who waits, who typed. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "agent/sock.h"
#include "agent/terminal_internal.h"
#include "base/log.h"
#include "base/mem.h"

static bool is_creator(const struct agent *a, const char *provider, const char *login)
{
    return strcmp(login, a->spec.creator_login) == 0 &&
           strcmp(provider, a->spec.creator_provider) == 0;
}

bool terminal_is_in_charge(const struct terminal *t, const char *provider, const char *login)
{
    return is_creator(t->agent, provider, login) ||
           roles_role(&t->roles, provider, login) == ROLE_OWN;
}

static void save(const struct terminal *t)
{
    struct err err = ERR_INIT;
    if (roles_save(&t->roles, t->roles_path, &err) < 0)
        log_warn("roles are not kept: %s", err.msg);
}

/* What somebody may do has changed: their keys say so too. */
static void save_rights(const struct terminal *t)
{
    struct err err = ERR_INIT;
    save(t);
    if (terminal_is_pair_mode(t->agent) && people_write_keys(t->agent, &err) < 0)
        log_warn("keys are not renewed: %s", err.msg);
}

static void note(const struct terminal *t, const char *by, const char *event, const char *login,
                 const char *role)
{
    struct json_object *detail = json_object_new_object();
    json_add_str(detail, "login", login);
    json_add_str(detail, "role", role);
    records_activity(t->agent, by, event, detail);
}

/* --- waiting -------------------------------------------------------------------------------------
 */

bool terminal_must_wait(const struct terminal *t, const char *provider, const char *login)
{
    return t->agent->spec.approve && terminal_is_pair_mode(t->agent) &&
           !is_creator(t->agent, provider, login) && !roles_approved(&t->roles, provider, login);
}

static ssize_t find_waiting(const struct terminal *t, const char *provider, const char *login)
{
    cleanup_free char *name = xasprintf("%s:%s", provider, login);
    for (size_t i = 0; i < t->waiting.len; i++)
        if (strcmp(t->waiting.v[i], name) == 0)
            return (ssize_t)i;
    return -1;
}

static void forget_waiting(struct terminal *t, const char *provider, const char *login)
{
    ssize_t at = find_waiting(t, provider, login);
    if (at < 0)
        return;
    free(t->waiting.v[at]);
    t->waiting.len--;
    memmove(&t->waiting.v[at], &t->waiting.v[at + 1],
            (t->waiting.len - (size_t)at + 1) * sizeof *t->waiting.v);
}

void terminal_waits(struct terminal *t, const char *provider, const char *login)
{
    if (find_waiting(t, provider, login) >= 0)
        return;
    strv_pushf(&t->waiting, "%s:%s", provider, login);
    records_activity(t->agent, login, "waiting", NULL);
    cleanup_free char *text =
        xasprintf("%s wants to come in: steadystate approve %s, or Ctrl-b y", login, login);
    terminal_say_owner(t, text);
    terminal_refresh(t);
}

void terminal_waits_no_more(struct terminal *t, const char *provider, const char *login)
{
    forget_waiting(t, provider, login);
    terminal_refresh(t);
}

static void approve(struct terminal *t, const char *by, const char *provider, const char *login)
{
    roles_of(&t->roles, provider, login)->approved = true;
    save_rights(t);
    note(t, by, "approved", login, NULL);
    forget_waiting(t, provider, login);
    sock_answer_waiting(t->agent->sock);
}

bool terminal_approve_first(struct terminal *t, const char *provider, const char *login)
{
    if (t->waiting.len == 0 || !terminal_is_in_charge(t, provider, login))
        return false;
    cleanup_free char *who = xstrdup(t->waiting.v[0]);
    char *colon = strchr(who, ':');
    *colon = '\0';
    approve(t, login, who, colon + 1);
    terminal_refresh(t);
    return true;
}

/* --- roles -------------------------------------------------------------------------------------
 */

int terminal_may_type(const struct terminal *t, const char *provider, const char *login,
                      struct err *err)
{
    if (roles_role(&t->roles, provider, login) != ROLE_WATCH)
        return 0;
    return err_set(err, ERR_DENIED,
                   "you are watching this session; commands and files need the keyboard, which its "
                   "owner can hand you");
}

bool terminal_may_forward(const struct terminal *t, const char *provider, const char *login)
{
    return !terminal_is_pair_mode(t->agent) ||
           (!terminal_must_wait(t, provider, login) &&
            roles_role(&t->roles, provider, login) != ROLE_WATCH);
}

/* Who asks in the shared terminal is who pressed return last. What others typed since may be what
 * asks, so then it is nobody, unless the keyboard is only taken: somebody who does not stop typing
 * cannot keep it. */
static bool terminal_asks_for(const struct terminal *t, bool only_takes)
{
    const struct role_entry *last = NULL;
    if (only_takes)
        return t->speaker_login && terminal_is_in_charge(t, t->speaker_provider, t->speaker_login);
    for (size_t i = 0; i < t->roles.len; i++)
        if (t->roles.v[i].typed && (!last || t->roles.v[i].typed > last->typed))
            last = &t->roles.v[i];
    return last && t->speaker_login && terminal_is_in_charge(t, last->provider, last->login) &&
           strcmp(last->login, t->speaker_login) == 0 &&
           strcmp(last->provider, t->speaker_provider) == 0;
}

static int check_asker(const struct terminal *t, const struct terminal_asker *asker,
                       bool only_takes, struct err *err)
{
    bool may = asker->trusted ||
               (asker->from_terminal ? terminal_asks_for(t, only_takes)
                                     : terminal_is_in_charge(t, asker->provider, asker->login));
    return may ? 0
               : err_set(err, ERR_DENIED,
                         "only the keyboard's owner and the session's creator decide this");
}

/* Somebody of the session by login alone. */
static int find_login(const struct agent *a, const char **provider, const char *login,
                      struct err *err)
{
    const struct spec_user *found = NULL;
    for (size_t i = 0; i < a->spec.n_users; i++) {
        const struct spec_user *u = &a->spec.users[i];
        if (strcmp(u->login, login) != 0 || (*provider && strcmp(u->provider, *provider) != 0))
            continue;
        if (found)
            return err_set(err, ERR_INVALID, "%s is the login of two people here", login);
        found = u;
    }
    if (!found)
        return err_set(err, ERR_NOT_FOUND, "%s may not come in here", login);
    *provider = found->provider;
    return 0;
}

struct put_out {
    const struct terminal *terminal;
};

static void kill_command(pid_t pid, void *payload)
{
    const struct terminal *t = ((struct put_out *)payload)->terminal;
    for (const struct terminal_client *c = t->first; c; c = c->next)
        if (c->peer == pid)
            return;
    struct sandbox_child as = terminal_child(t);
    if (as.uid == (uid_t)-1)
        (void)kill(-pid, SIGKILL);
    else
        (void)sandbox_kill_as(as.uid, as.gid, -pid, SIGKILL);
}

/* In mode pair their commands and file transfers run as the terminal's account. */
static void end_commands(struct terminal *t, const char *provider, const char *login)
{
    struct put_out p = {t};
    if (terminal_is_pair_mode(t->agent) && t->prepared)
        presence_each(t->agent->presence, provider, login, kill_command, &p);
}

static void apply(struct terminal *t, const char *provider, const char *login, enum role role)
{
    roles_set(&t->roles, provider, login, role);
    for (struct terminal_client *c = t->first; c; c = c->next) {
        if (strcmp(c->login, login) != 0 || strcmp(c->provider, provider) != 0)
            continue;
        if (role == ROLE_WATCH) {
            str_clear(&c->input);
            terminal_end_paste(c);
            terminal_say(c, "You are watching now; Ctrl-b d leaves.");
        } else {
            c->read_only = false;
            terminal_say(c, role == ROLE_OWN ? "The keyboard is yours." : "You may type now.");
        }
    }
    if (role == ROLE_WATCH)
        end_commands(t, provider, login);
    terminal_refresh(t);
}

int terminal_role(struct terminal *t, const struct terminal_asker *asker, const char *provider,
                  const char *login, const char *word, struct err *err)
{
    const struct agent *a = t->agent;
    enum role role = ROLE_TYPE;
    bool is_approval = strcmp(word, "approve") == 0;
    int rc = is_approval ? 0 : role_parse(word, &role, err);
    if (rc == 0)
        rc = check_asker(t, asker, !is_approval && role == ROLE_WATCH, err);
    if (rc == 0)
        rc = find_login(a, &provider, login, err);
    if (rc < 0)
        return rc;
    const char *by = asker->login;
    if (asker->from_terminal)
        by = t->speaker_login;
    else if (asker->trusted)
        by = a->spec.creator_login;
    if (is_approval) {
        if (!a->spec.approve)
            return err_set(err, ERR_INVALID,
                           "nobody has to wait in this session (up --approve makes them)");
        approve(t, by, provider, login);
        terminal_refresh(t);
        return 0;
    }
    apply(t, provider, login, role);
    /* Somebody decides: without an owner it is the creator. */
    if (!roles_owner(&t->roles))
        log_info("the shared terminal has no owner; its creator decides");
    save_rights(t);
    note(t, by, "role", login, word);
    return 0;
}

void terminal_describe(const struct terminal *t, const char *provider, const char *login,
                       struct json_object *out)
{
    bool there = false, types = false;
    for (const struct terminal_client *c = t->first; c; c = c->next) {
        if (c->over || strcmp(c->login, login) != 0 || strcmp(c->provider, provider) != 0)
            continue;
        there = true;
        types = types || terminal_client_types(c);
    }
    if (there)
        json_add_str(out, "role", types ? "typing" : "watching");
    if (there || terminal_is_pair_mode(t->agent))
        json_add_str(out, "keyboard", role_word(roles_role(&t->roles, provider, login)));
    if (find_waiting(t, provider, login) >= 0)
        json_add_bool(out, "waiting", true);
}

void terminal_put_out(struct terminal *t, const char *provider, const char *login)
{
    end_commands(t, provider, login);
    struct role_entry *e = roles_find(&t->roles, provider, login);
    if (e) {
        e->approved = false;
        if (e->role == ROLE_OWN)
            e->role = ROLE_TYPE;
        save_rights(t);
    }
    terminal_waits_no_more(t, provider, login);
    sock_refuse(t->agent->sock, provider, login);
}

/* --- who typed -----------------------------------------------------------------------------------
 */

void terminal_speaker(const struct terminal *t, const char **provider, const char **login)
{
    const struct role_entry *owner = roles_owner(&t->roles);
    *provider = t->agent->spec.creator_provider;
    *login = t->agent->spec.creator_login;
    if (t->speaker_login) {
        *provider = t->speaker_provider;
        *login = t->speaker_login;
    } else if (owner) {
        *provider = owner->provider;
        *login = owner->login;
    }
}

void terminal_someone_typed(struct terminal_client *c, struct typing_seen seen)
{
    struct terminal *t = c->terminal;
    if (!seen.typed)
        return;
    const struct role_entry *e = roles_of(&t->roles, c->provider, c->login);
    bool first = !role_entry_is_unsettled(e);
    roles_typed(&t->roles, c->provider, c->login);
    if (first)
        save(t);
    if (!seen.enter)
        return;
    if (!t->speaker_login || strcmp(t->speaker_login, c->login) != 0 ||
        strcmp(t->speaker_provider, c->provider) != 0) {
        free(t->speaker_provider);
        free(t->speaker_login);
        t->speaker_provider = xstrdup(c->provider);
        t->speaker_login = xstrdup(c->login);
    }
    terminal_write_author(t);
}

struct json_object *terminal_coauthors(struct terminal *t, const char *except, uint64_t *clock)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < t->roles.len; i++) {
        const struct role_entry *e = &t->roles.v[i];
        cleanup_free char *name = NULL;
        cleanup_free char *email = NULL;
        if (!role_entry_is_unsettled(e))
            continue;
        people_author(t->agent, e->provider, e->login, &name, &email);
        if (except && strcmp(except, email) == 0)
            continue;
        cleanup_free char *text = xasprintf("%s <%s>", name, email);
        json_object_array_add(list, json_object_new_string(text));
    }
    t->offered = t->roles.clock;
    *clock = t->roles.clock;
    return list;
}

void terminal_settle(struct terminal *t, uint64_t clock)
{
    roles_settle(&t->roles, clock ? clock : t->offered);
    save(t);
}
