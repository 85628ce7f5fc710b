# SPDX-License-Identifier: GPL-2.0-or-later
# Unit tests of the rules (daemon/policy).
POLICY_SRC		:= tests/unit/policy_world.c $(wildcard daemon/policy/*.c)
POLICY_TESTS		:= test_policy_active test_policy_pool test_policy_users test_policy_config \
			   test_policy_model test_policy_kept test_policy_job

UNIT			+= $(POLICY_TESTS)
$(foreach t,$(POLICY_TESTS),$(eval $(t)_SRC := $(POLICY_SRC)))
$(foreach t,$(POLICY_TESTS),$(eval $(t)_FLAGS := -I.))
