# Quern: everything built goes to build/.
#
#   make            the programs           make run      the service, HAProxy in front, until Ctrl-C
#   make check      all tests              make bench    against what a user would pick instead
#   make lint       format and analysis    make fuzz     ten minutes of fuzzing a target
#   make schema     after config/options.def was changed
#   make bench-qr   the QR library alone   make bench-sim  the simulator alone
#   make experiment measures how p99 grows with utilization (FULL=1: everything, 50 minutes)
#   make chapters   every effect of a blocked event loop, and its cure, beside the original stack (FULL=1: the long form)
#   make prove-qr       a million symbols against libqrencode
#   make prove-theory   the simulator against every exact figure (an hour)
#   make faults     verified load while the fleet is reloaded, scaled, upgraded, killed (10 minutes)
#   make soak       ten minutes at 2,000 requests a second: memory and descriptors stay
#   make bench-limits   overload at twice the capacity; 10,000 connections to one worker
#   make install    DESTDIR= PREFIX=       make format     by clang-format        make clean
#
# V=1 shows the commands; SANITIZER=address|undefined|address,undefined|thread builds into a directory of its own;
# WERROR=1 makes warnings errors; PORTABLE=1 leaves out what is chosen by processor at run time; PYTEST= gives pytest further arguments.

VERSION := 0.1.0
PREFIX ?= /usr/local
SANITIZER ?=
WERROR ?=
V ?= 0
Q := $(if $(filter 1,$(V)),,@)

comma := ,
BUILD ?= build$(if $(SANITIZER),/$(subst $(comma),-,$(SANITIZER)))

PACKAGES_RUN := libevent_core libqrencode libpng zlib jansson libssl libcrypto
PKG_CONFIG ?= pkg-config
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wconversion -Wvla -Wundef \
	-Wpointer-arith -Wcast-qual -Wwrite-strings $(if $(WERROR),-Werror)
OPTIMIZE := $(if $(SANITIZER),-O1 -fno-omit-frame-pointer -fsanitize=$(SANITIZER) \
	-fno-sanitize-recover=all,-O2 -D_FORTIFY_SOURCE=2)
CFLAGS ?= -g
override CFLAGS += -std=c11 $(OPTIMIZE) $(WARNINGS) -fstack-protector-strong -fPIE -fvisibility=hidden
override CPPFLAGS += -D_GNU_SOURCE -DQUERN_VERSION='"$(VERSION)"' -I. -I$(BUILD)/gen
override LDFLAGS += -pie -Wl,-z,relro,-z,now $(if $(SANITIZER),-fsanitize=$(SANITIZER))
# Asked for only when something is linked, so that `make run` can install pkg-config first.
LIBS = $(shell $(PKG_CONFIG) --libs $(PACKAGES_RUN)) -lm
INCLUDES = $(eval INCLUDES := $$(shell $(PKG_CONFIG) --cflags $(PACKAGES_RUN)))$(INCLUDES)

# Parts that are compiled for newer processors as well and chosen at run time; PORTABLE=1 leaves them out.
PORTABLE ?=
ifneq ($(filter x86_64-%,$(if $(PORTABLE),,$(shell $(CC) -dumpmachine))),)
override CPPFLAGS += -DQUERN_AVX2
$(BUILD)/obj/server/qr/mask_count_avx2.o: override CFLAGS += -mavx2
endif

# The QR library is loops over words, which gain a tenth by -O3.
$(BUILD)/obj/server/qr/%.o: override CFLAGS += $(if $(SANITIZER),,-O3)

PROGRAMS := quernd quernctl quern-balancer quern-bench
MAIN_quernd := server/main.c
MAIN_quernctl := server/ctl/main.c
MAIN_quern-balancer := balancer/main.c
MAIN_quern-bench := bench/main.c
MAINS := $(foreach p,$(PROGRAMS),$(MAIN_$(p)))

# The lab's backend needs hiredis, and nothing else does: without it the endpoints that ask Redis say so. HIREDIS= leaves it out.
# Version 0.14, as Debian 12 has it: the functions by which it builds answers are others in 1.0.
ifeq ($(origin HIREDIS),undefined)
HIREDIS := $(shell $(PKG_CONFIG) --exists "hiredis < 1" 2>/dev/null && echo 1)
endif
PACKAGES_RUN += $(if $(HIREDIS),hiredis)
BACKEND := server/backend/absent.c
ifneq ($(HIREDIS),)
BACKEND := $(filter-out $(BACKEND),$(wildcard server/backend/*.c))
endif

SOURCES := $(BACKEND) $(wildcard lib/*.c config/*.c server/*.c server/http/*.c server/routes/*.c server/qr/*.c \
	server/stats/*.c server/ctl/*.c balancer/*.c bench/*.c bench/model/*.c bench/stat/*.c \
	bench/load/*.c bench/sim/*.c bench/plan/*.c bench/fleet/*.c bench/measure/*.c bench/sweep/*.c bench/report/*.c \
	bench/chapter/*.c bench/timeline/*.c)
PARTS := $(filter-out $(MAINS),$(SOURCES))
object = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
# Tables that a program of tools/ prints: gen/server/qr/qr_NAME.c.
TABLES := $(patsubst tools/%.c,$(BUILD)/gen/server/qr/%.c,$(wildcard tools/qr_*.c))
TABLE_OBJECTS := $(TABLES:%.c=%.o)
HOSTCC ?= $(CC)

UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))
FUZZERS := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
# Texts that programs carry along: x.css is a header x_css.h with the constant x_css.
REPORT_TEXTS := $(wildcard bench/report/*.gp bench/report/*.css bench/report/*.html bench/report/*.js)
GENERATED := $(BUILD)/gen/balancer/haproxy_template.h $(BUILD)/gen/bench/revision.h \
	$(foreach t,$(REPORT_TEXTS),$(BUILD)/gen/$(subst .,_,$(t)).h)

# Holds back what a Redis answers, for the lab.
DELAY := $(BUILD)/services/delay/delay

.PHONY: all run check check-only lint format bench bench-qr bench-sim prove-qr prove-theory experiment chapters fuzz faults soak bench-limits install clean \
	deps-run deps-check deps-bench deps-experiment deps-lab schema unit-tests generated FORCE
.DELETE_ON_ERROR:

all: $(addprefix $(BUILD)/,$(PROGRAMS)) $(DELAY)

run: deps-run
	$(Q)$(MAKE) --no-print-directory all
	$(Q)BUILD=$(BUILD) exec balancer/run

check: deps-check
	$(Q)$(MAKE) --no-print-directory check-only

check-only: all unit-tests $(BUILD)/faults/drive
	$(Q)BUILD=$(abspath $(BUILD)) tests/run

unit-tests: $(UNIT_TESTS)

generated: $(GENERATED)

deps-run deps-check deps-bench deps-experiment deps-lab: deps-%:
	$(Q)tools/install-packages $*

# What the archive holds: written when that is something else, as after HIREDIS= or when a source file is gone.
$(BUILD)/parts: FORCE
	@mkdir -p $(@D)
	@echo '$(PARTS)' | cmp -s - $@ || echo '$(PARTS)' >$@

$(BUILD)/libquern.a: $(call object,$(PARTS)) $(TABLE_OBJECTS) $(BUILD)/parts
	@echo "  AR    $@"
	$(Q)rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)

define program
$(BUILD)/$(1): $(call object,$(MAIN_$(1))) $(BUILD)/libquern.a
	@echo "  LINK  $$@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $$@ $$^ -Wl,--as-needed $$(LIBS)
endef
$(foreach p,$(PROGRAMS),$(eval $(call program,$(p))))

# A changed Makefile may mean another VERSION or other flags.
$(BUILD)/obj/%.o: %.c Makefile | $(GENERATED)
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(CPPFLAGS) $(INCLUDES) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/tools/%: tools/%.c
	@mkdir -p $(@D)
	@echo "  TOOL  $<"
	$(Q)$(HOSTCC) -std=c11 -O1 $(WARNINGS) -o $@ $<

$(TABLES): $(BUILD)/gen/server/qr/%.c: $(BUILD)/tools/%
	@mkdir -p $(@D)
	@echo "  GEN   $@"
	$(Q)$< > $@

$(TABLE_OBJECTS): %.o: %.c Makefile
	@echo "  CC    $<"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/gen/balancer/haproxy_template.h: balancer/haproxy.cfg.in tools/embed
	@mkdir -p $(@D)
	@echo "  GEN   $@"
	$(Q)tools/embed haproxy_template $< > $@

# For the records of measurements: git's name of what was built, "" where this is no clone. Written when it is another one.
$(BUILD)/gen/bench/revision.h: FORCE
	@mkdir -p $(@D)
	@revision=; [ ! -e .git ] || revision=$$(git describe --always --dirty --abbrev=12 --exclude '*' 2>/dev/null); \
	echo "#define QUERN_REVISION \"$$revision\"" | cmp -s - $@ || \
	echo "#define QUERN_REVISION \"$$revision\"" >$@

define report_text
$(BUILD)/gen/$(subst .,_,$(1)).h: $(1) tools/embed
	@mkdir -p $$(@D)
	@echo "  GEN   $$@"
	$$(Q)tools/embed $(subst .,_,$(notdir $(1))) $$< > $$@
endef
$(foreach t,$(REPORT_TEXTS),$(eval $(call report_text,$(t))))

$(BUILD)/tests/%: tests/unit/%.c $(BUILD)/libquern.a Makefile
	@mkdir -p $(@D)
	@echo "  TEST  $<"
	$(Q)$(CC) $(CPPFLAGS) $(INCLUDES) $(CFLAGS) -MMD -MP -MF $@.d -o $@ $< $(BUILD)/libquern.a $(LDFLAGS) \
		-Wl,--as-needed $(LIBS) -lcmocka

-include $(patsubst %.o,%.d,$(call object,$(SOURCES) bench/services/delay/delay.c) $(TABLE_OBJECTS)) $(addsuffix .d,$(UNIT_TESTS)) \
	$(patsubst %.c,$(BUILD)/obj/%.d,$(wildcard tests/faults/*.c))

# --- files made from config/options.def; they are committed, and a test compares them -------------------------------

schema: $(BUILD)/quernd
	$(BUILD)/quernd --print-schema > config/quern.schema.json
	echo {} | env -i $(BUILD)/quernd -c /dev/stdin --print-config > config/quern.json

# --- analysis -----------------------------------------------------------------------------------------------------

C_FILES = $(shell find lib config server balancer bench tests tools -name '*.[ch]' -not -path 'bench/peers/*')
lint: deps-check
	$(Q)BUILD=$(BUILD) tools/lint $(C_FILES)

format:
	clang-format -i $(C_FILES)

# --- fuzzing: make fuzz [FUZZ=fuzz_parse] [SECONDS=600] -----------------------------------------------------------

FUZZ ?= $(FUZZERS)
SECONDS ?= 600
fuzz: deps-check
	$(Q)for target in $(FUZZ); do tests/fuzz/run $$target $(SECONDS) || exit 1; done

bench: deps-bench
	$(Q)$(MAKE) --no-print-directory all
	$(Q)BUILD=$(BUILD) bench/peers/compare

# --- the lab: make experiment [FULL=1] [EXPERIMENT=DIR]; goes on where it was interrupted ---------------------------

FULL ?=
EXPERIMENT ?= $(BUILD)/experiment-$(if $(FULL),full,quick)
EXPERIMENTS := saturation policies power-users average-lies
experiment: deps-experiment
	$(Q)$(MAKE) --no-print-directory all
	$(Q)for name in $(EXPERIMENTS); do \
		$(BUILD)/quern-bench sweep bench/experiments/$$name.json -o $(EXPERIMENT) $(if $(FULL),,--quick) || [ $$? = 3 ] || exit 1; \
	done
	$(Q)$(BUILD)/quern-bench report $(EXPERIMENT)

CHAPTERS_DIR ?= $(BUILD)/chapters$(if $(FULL),-full)
CHAPTERS := blocked-loop qr-node io-at-1000 power-users internal-latency round-robin telemetry
chapters: deps-lab
	$(Q)$(MAKE) --no-print-directory all
	$(Q)failed=0; for name in $(CHAPTERS); do \
		$(BUILD)/quern-bench chapter $$name --build $(BUILD) -o $(CHAPTERS_DIR)/$$name $(if $(FULL),--full) || [ $$? = 3 ] || failed=1; \
	done; \
	$(BUILD)/quern-bench chapter --index $(CHAPTERS_DIR) && exit $$failed

# What chapters start beside the fleet.
$(DELAY): $(BUILD)/obj/bench/services/delay/delay.o $(BUILD)/libquern.a
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -Wl,--as-needed $(LIBS)

# Programs that measure or prove one part: make bench-qr, bench-sim, prove-qr, prove-theory.
bench-qr: $(BUILD)/speed/bench_qr
prove-qr: $(BUILD)/speed/prove_qr
bench-sim: $(BUILD)/speed/bench_sim
prove-theory: $(BUILD)/speed/prove_theory
bench-qr bench-sim prove-qr prove-theory:
	$<

$(BUILD)/speed/%: bench/speed/%.c $(BUILD)/libquern.a Makefile
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	$(Q)$(CC) $(CPPFLAGS) $(INCLUDES) $(CFLAGS) -MMD -MP -MF $@.d -o $@ $< $(BUILD)/libquern.a $(LDFLAGS) \
		-Wl,--as-needed $(LIBS)

-include $(wildcard $(BUILD)/speed/*.d)

bench-limits: deps-bench
	$(Q)$(MAKE) --no-print-directory all
	$(Q)BUILD=$(BUILD) bench/limits/overload
	$(Q)BUILD=$(BUILD) bench/limits/connections

# --- faults: make faults [SCENARIO="reload kill"]; make soak [SECONDS=600] [RATE=2000] --------------------------------

FAULTS_OBJECTS := $(call object,$(wildcard tests/faults/*.c))
$(BUILD)/faults/drive: $(FAULTS_OBJECTS) $(BUILD)/libquern.a
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -Wl,--as-needed $(LIBS)

RATE ?= 2000
faults: deps-check
	$(Q)$(MAKE) --no-print-directory all $(BUILD)/faults/drive
	$(Q)BUILD=$(abspath $(BUILD)) tests/faults/run --long $(SCENARIO)

soak: deps-check
	$(Q)$(MAKE) --no-print-directory all $(BUILD)/faults/drive
	$(Q)BUILD=$(abspath $(BUILD)) tests/faults/soak $(SECONDS) $(RATE)

# --- installation -------------------------------------------------------------------------------------------------

install: all
	install -D -t $(DESTDIR)$(PREFIX)/bin $(addprefix $(BUILD)/,$(PROGRAMS))
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/quern config/quern.json config/quern.schema.json
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man8 docs/man/*.8
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man1 docs/man/*.1
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/quern/prometheus packaging/prometheus/*.yml
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	for unit in packaging/systemd/*.service; do \
		sed 's,/usr/local/bin,$(PREFIX)/bin,' $$unit > $(DESTDIR)$(PREFIX)/lib/systemd/system/$${unit##*/}; \
	done

clean:
	rm -rf build $(BUILD)
