# SteadyState: build, test, serve. `make help` lists the targets.
#
# One static archive holds every layer below the programs; a program is its main file(s) linked
# against it, and the linker takes only the objects that the program really reaches.

VARIANT ?= release
ifeq ($(VARIANT),release)
BUILD ?= build
else
BUILD ?= build/$(VARIANT)
endif

PREFIX ?= /usr/local
DESTDIR ?=
VERSION := $(shell cat VERSION)

PKGS := json-c libmicrohttpd libcurl libjwt libgit2 libcrypto libseccomp sqlite3 zlib ncursesw
ifeq ($(origin CC),default)
CC := gcc
endif
ifneq ($(V),1)
Q := @
say = @echo '  $(1) $@'
else
say =
endif
WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
        -Wformat=2 -Wno-missing-field-initializers -Wundef -Wpointer-arith -Wwrite-strings
CPPFLAGS += -D_GNU_SOURCE -Isrc -Icli -Itools -DSTEADYSTATE_VERSION='"$(VERSION)"' \
            $(shell pkg-config --cflags $(PKGS))
BASE_CFLAGS := -std=c17 $(WARN) -g -ffunction-sections -fdata-sections -fno-strict-aliasing -pthread
LDFLAGS_COMMON := -Wl,--as-needed -Wl,--gc-sections -pthread
LDLIBS := $(shell pkg-config --libs $(PKGS)) -ldl

ifeq ($(VARIANT),release)
MODE_CFLAGS := -O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fPIE
MODE_LDFLAGS := -pie -Wl,-z,relro,-z,now
else ifeq ($(VARIANT),asan)
MODE_CFLAGS := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all \
               -DSTEADYSTATE_TEST_BUILD=1
MODE_LDFLAGS := -fsanitize=address,undefined
else ifeq ($(VARIANT),tsan)
MODE_CFLAGS := -O1 -fno-omit-frame-pointer -fsanitize=thread -DSTEADYSTATE_TEST_BUILD=1
MODE_LDFLAGS := -fsanitize=thread
else ifeq ($(VARIANT),debug)
MODE_CFLAGS := -O0 -DSTEADYSTATE_TEST_BUILD=1
MODE_LDFLAGS :=
else ifeq ($(VARIANT),clang)
override CC := clang
MODE_CFLAGS := -O2 -fPIE -Wno-gnu-statement-expression
MODE_LDFLAGS := -pie
else ifeq ($(VARIANT),fuzz)
override CC := clang
MODE_CFLAGS := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined,fuzzer-no-link \
               -fno-sanitize-recover=all -DSTEADYSTATE_TEST_BUILD=1
MODE_LDFLAGS := -fsanitize=address,undefined
else
$(error unknown VARIANT '$(VARIANT)': release debug asan tsan clang fuzz)
endif

ALL_CFLAGS = $(BASE_CFLAGS) $(MODE_CFLAGS) $(CFLAGS)
ALL_LDFLAGS = $(LDFLAGS_COMMON) $(MODE_LDFLAGS) $(LDFLAGS)

# --- sources -------------------------------------------------------------------------------------
MAINS := src/daemon/main.c src/agent/main.c src/wrapper/main.c
LIB_SRC := $(filter-out $(MAINS),$(wildcard src/*/*.c src/*/*/*.c))
LIB_OBJ := $(LIB_SRC:%.c=$(BUILD)/obj/%.o)
LIB := $(BUILD)/libsteadystate.a

steadystated_SRC := $(wildcard src/daemon/main.c)
steadystate-agent_SRC := $(wildcard src/agent/main.c)
steadystate-wrapper_SRC := $(wildcard src/wrapper/main.c)
# Three programs of one set of commands (cli/catalog.h); an archive of its own, so that each takes
# the commands that its table names and the first stays small.
CLI_MAINS := cli/main.c cli/outside_main.c cli/inside_main.c
CLI_OBJ := $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out $(CLI_MAINS),$(wildcard cli/*.c)))
CLI_LIB := $(BUILD)/libcli.a
CLI_PROGRAMS := steadystate steadystate-outside steadystate-inside
steadystate_SRC := cli/main.c
steadystate-outside_SRC := cli/outside_main.c
steadystate-inside_SRC := cli/inside_main.c
yupdate_SRC := $(if $(wildcard tools/yupdate.c),$(wildcard tools/*.c))
PROGRAMS := steadystated steadystate-agent steadystate-wrapper $(CLI_PROGRAMS) yupdate
LIBEXEC := steadystate-outside steadystate-inside
BINARIES := $(PROGRAMS:%=$(BUILD)/%)

UNIT_SRC := $(wildcard tests/unit/*/test_*.c)
UNIT_BIN := $(UNIT_SRC:%.c=$(BUILD)/%)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)

.PHONY: all help check check-unit check-tsan check-fuzz check-integration check-layers \
        serve bench bench-crdt image install format lint clean compile_commands
.DEFAULT_GOAL := all
.SECONDARY:
.DELETE_ON_ERROR:

all: $(BINARIES)

help:
	@echo "make            build the programs into $(BUILD)/"
	@echo "make serve      install what is missing, build, start a server here, say what to type next"
	@echo "make check      unit and integration tests, real engine included"
	@echo "make bench      benchmarks against peers (bench-crdt TRACES=dir for the document engine)"
	@echo "make image      the session image (SSH_USER=name, BUILD_TOOLS=1)"
	@echo "make man        manual pages into $(BUILD)/man"
	@echo "make install    PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)"
	@echo "make format | lint | clean"
	@echo "VARIANT=release|debug|asan|tsan|clang|fuzz chooses the kind of build"

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC  )
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# Types only: the library itself is loaded at run time, when there is a keyring to talk to.
$(BUILD)/obj/cli/keyring.o: CPPFLAGS += $(shell pkg-config --cflags libsecret-1)

$(LIB): $(LIB_OBJ)
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR  )
	$(Q)$(AR) rcs $@ $(LIB_OBJ)

$(CLI_LIB): $(CLI_OBJ)
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR  )
	$(Q)$(AR) rcs $@ $(CLI_OBJ)

define program_rule
$(BUILD)/$(1): $($(1)_SRC:%.c=$(BUILD)/obj/%.o) $(if $(filter $(1),$(CLI_PROGRAMS)),$(CLI_LIB)) $(LIB)
	$$(call say,LD  )
	$$(Q)$$(CC) $$(ALL_CFLAGS) $$(ALL_LDFLAGS) -o $$@ $$^ $$(LDLIBS)
endef
$(foreach p,$(PROGRAMS),$(eval $(call program_rule,$(p))))

# --- unit tests: always with address and undefined sanitizers, leaks reported ---------------------
$(BUILD)/tests/unit/%: $(BUILD)/obj/tests/unit/%.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LD  )
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka

# Test programs in C that need a real counterpart; the Python tests run them.
$(BUILD)/tests/integration/%: $(BUILD)/obj/tests/integration/%.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LD  )
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka

.PHONY: unit-binaries
unit-binaries: $(UNIT_BIN)

check-unit:
	@$(MAKE) --no-print-directory VARIANT=asan unit-binaries
	@scripts/run-unit build/asan

# Threaded code again under the thread sanitizer: tests named test_*_threads.c
check-tsan:
	@$(MAKE) --no-print-directory VARIANT=tsan $(patsubst %.c,build/tsan/%,$(wildcard tests/unit/*/test_*_threads.c))
	@scripts/run-unit build/tsan

# --- fuzzing ---------------------------------------------------------------------------------------
build/asan/tests/fuzz/%: build/asan/obj/tests/fuzz/%.o build/asan/obj/tests/fuzz/replay.o build/asan/libsteadystate.a
	@mkdir -p $(@D)
	$(call say,LD  )
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LDLIBS)

build/fuzz/tests/fuzz/%: build/fuzz/obj/tests/fuzz/%.o build/fuzz/libsteadystate.a
	@mkdir -p $(@D)
	$(call say,LD  )
	$(Q)$(CC) $(ALL_CFLAGS) -fsanitize=fuzzer $(ALL_LDFLAGS) -o $@ $^ $(LDLIBS)

.PHONY: fuzz-replay-binaries fuzz-binaries
fuzz-replay-binaries: $(FUZZ_SRC:%.c=build/asan/%)
fuzz-binaries: $(FUZZ_SRC:%.c=build/fuzz/%)

# Replays the committed corpora; SECONDS=600 fuzz=NAME runs the live fuzzer instead (make fuzz).
check-fuzz:
	@$(MAKE) --no-print-directory VARIANT=asan fuzz-replay-binaries
	@scripts/run-fuzz replay

.PHONY: fuzz
fuzz:
	@$(MAKE) --no-print-directory VARIANT=fuzz fuzz-binaries
	@scripts/run-fuzz live "$(NAME)" "$(or $(TIME),60)"

# --- tools of the oracle and of the document benchmark ---------------------------------------------
$(BUILD)/tests/oracle/%: $(BUILD)/obj/tests/oracle/%.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LD  )
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/bench/crdt/%: $(BUILD)/obj/bench/crdt/%.o $(BUILD)/obj/tools/trace.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LD  )
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LDLIBS)

# --- the rest ----------------------------------------------------------------------------------------
check:
	@scripts/check

check-layers:
	@scripts/check-layers

check-integration:
	@scripts/check integration

serve:
	@scripts/serve

image: all
	@scripts/image

bench: all
	@bench/run

bench-crdt: all
	@bench/crdt/run "$(TRACES)"

FORMAT_FILES := $(shell git ls-files '*.c' '*.h' 2>/dev/null)
format:
	clang-format -i $(FORMAT_FILES)

lint: check-layers
	@scripts/lint

# Manual pages, made from what the programs say of themselves.
$(BUILD)/man/.made: scripts/man-pages docs/commands.md docs/configuration.md $(BINARIES)
	$(call say,MAN )
	$(Q)scripts/man-pages $(BUILD) $(@D)
	@touch $@

.PHONY: man
man: $(BUILD)/man/.made

install: all man
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/libexec/steadystate \
		$(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man8
	install -m 0755 $(filter-out $(LIBEXEC:%=$(BUILD)/%),$(BINARIES)) $(DESTDIR)$(PREFIX)/bin
	install -m 0755 $(LIBEXEC:%=$(BUILD)/%) $(DESTDIR)$(PREFIX)/libexec/steadystate
	install -m 0644 $(BUILD)/man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 0644 $(BUILD)/man/*.8 $(DESTDIR)$(PREFIX)/share/man/man8

clean:
	rm -rf build compile_commands.json

-include $(shell [ -d $(BUILD)/obj ] && find $(BUILD)/obj -name '*.d')
