"""All cases of the threat list, by number: the commands that each is about, and the tests that hold it for them.

A case without a test, a command without one, or the name of a missing test fails.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from git_spacy import cli
from tests.threats.inputs import READS, REFUSED

TESTS = Path(__file__).parents[1]
READERS = "assets run status check lock ignore dvc document graph push pull restore resolved"
WRITERS = "assets run lock ignore dvc document graph schema check push pull restore store"
MEETS = "threats/test_every_verb.py::test_a_hostile_project_is_refused_by_every_verb"
HOSTILE = (
    "threats/test_hostile_values.py"
    "::test_no_value_leads_out_of_the_project_or_brings_a_command_down"
)
EACH_CALL = "threats/test_every_system_call.py::test_every_call_in_turn"


class Case(NamedTuple):
    """What the case is, the verbs that it is about, and its tests: each with the verbs that it is
    for ("": those of the case)."""

    what: str
    verbs: str
    tests: dict[str, str]


CASES = {
    1: Case("paths that leave the project", READERS, {
        MEETS: "", "project/test_paths.py::test_cases_1_and_3_a_path_that_could_lead_elsewhere_is_refused": "",
        "threats/test_every_verb.py::test_01_a_lock_that_names_paths_outside_leads_nobody_there": "status check lock push pull"}),
    2: Case("links that lead out", "assets run lock ignore dvc document graph schema push pull restore", {
        "threats/test_every_verb.py::test_02_a_link_out_is_not_written_through": "",
        "threats/test_assets_from_templates.py::test_02_a_link_swapped_in_while_it_is_fetched": "assets",
        "threats/test_assets_from_templates.py::test_02_a_link_swapped_in_while_git_is_asked": "assets",
        "assets/test_fetch.py::test_case_2_a_link_swapped_in_between_the_check_and_the_write": "assets",
        "run/test_run.py::test_case_2_a_dependency_or_output_behind_a_link_that_leads_out": "run",
        "run/test_run.py::test_case_2_directories_behind_a_link_that_leads_out": "run",
        "run/test_workspace_archive.py::test_case_2_an_output_behind_a_link_that_leads_out_is_not_written": "run",
        "test_files.py::test_case_2_a_link_that_leads_out_is_refused": ""}),
    3: Case("Git's own folder, and our own files", READERS, {
        MEETS: "", "project/test_paths.py::test_cases_1_and_3_a_path_that_could_lead_elsewhere_is_refused": "",
        "storage/test_safe_extract.py::test_case_23_a_member_that_is_no_plain_part_of_the_output": "pull"}),
    4: Case("a Git asset onto the user's work", "assets", {
        "threats/test_assets_from_templates.py::test_04_a_folder_of_the_user_s": "",
        "threats/test_assets_from_templates.py::test_04_the_project_itself_is_no_destination": "",
        "assets/test_fetch.py::test_case_4_edits_are_not_overwritten_without_force": "",
        "assets/test_fetch.py::test_case_4_a_fetch_that_fails_leaves_the_old_folder": ""}),
    5: Case("names that are options", "clone assets log show", {
        "git/test_address.py::test_cases_5_and_6_a_hostile_address_is_refused": "clone assets",
        "git/test_gate.py::test_threats_5_and_6_what_nobody_may_name": "clone assets",
        "git/test_gate.py::test_nothing_passes_that_git_could_misread": "clone assets",
        "test_clone.py::test_cases_5_and_6_on_the_command_line": "clone",
        "test_clone_corners.py::test_cases_5_and_6_a_name_that_git_could_misread": "clone",
        "git/test_notes.py::test_a_wrong_revision_is_named_and_never_an_option": "log show"}),
    6: Case("hostile repositories, and local ones", "clone assets", {
        "git/test_address.py::test_cases_5_and_6_a_hostile_address_is_refused": "",
        "git/test_gate.py::test_threat_6_a_template_names_nothing_local": "assets",
        "assets/test_fetch.py::test_case_6_a_hostile_repository_starts_nothing": "assets",
        "assets/test_fetch.py::test_case_6_a_local_repository_in_project_yml_needs_the_users_own_word": "assets"}),
    7: Case("templates with links out", "clone assets run", {
        "git/test_partial_clone.py::test_case_7_a_link_that_leads_out_is_refused_and_its_target_never_opened": "clone",
        "git/test_travelling.py::test_threat_7_a_link_that_leads_out": "clone assets",
        "git/test_travelling.py::test_threat_7_a_link_for_a_file": "clone assets",
        "assets/test_fetch.py::test_case_7_links_of_a_git_asset_stay_inside": "assets",
        "run/test_run.py::test_case_7_a_lock_or_project_that_is_a_link_out_is_left_alone": "run"}),
    8: Case("repositories, submodules, filters, hooks in a template", "clone assets pull log graph show status", {
        "threats/test_embedded_repository.py::test_no_command_runs_a_program_that_a_repository_among_the_files_names": "log graph show status",
        "threats/test_embedded_repository.py::test_nor_on_a_terminal_where_results_are_paged": "log graph show",
        "git/test_partial_clone.py::test_case_8_a_folder_that_git_could_take_for_its_own_is_refused": "clone",
        "git/test_partial_clone.py::test_case_8_hooks_filters_and_submodules_of_a_template_do_nothing": "clone",
        "git/test_travelling.py::test_threat_8_a_bare_repository_in_a_template_stays_a_folder_of_files": "clone assets",
        "git/test_travelling.py::test_threat_8_a_submodule_is_left_out_with_a_warning": "clone assets",
        "git/test_travelling.py::test_threat_8_attributes_start_no_filter_of_the_user": "clone assets",
        "git/test_travelling.py::test_threat_8_names_that_no_tree_may_hold": "clone assets",
        "git/test_first_commit.py::test_no_filter_hook_or_signature_of_the_user_runs": "clone",
        "storage/test_safe_extract.py::test_case_23_a_member_that_is_no_plain_part_of_the_output": "pull"}),
    9: Case("schemes and local paths", "assets", {
        "threats/test_assets_from_templates.py::test_09_other_schemes_are_refused": "",
        "threats/test_assets_from_templates.py::test_09_a_path_outside_the_repository": "",
        "storage/test_remote.py::test_other_addresses_are_refused": ""}),
    10: Case("values of the environment", "assets run status push pull log", {
        "threats/test_assets_from_templates.py::test_10_the_environment_is_not_sent_unless_allowed": "assets",
        "threats/test_assets_from_templates.py::test_10_a_secret_is_not_told_when_it_fails": "assets",
        "run/test_run.py::test_case_10_the_value_of_an_environment_variable_is_nowhere": "run",
        "run/test_ray.py::test_case_10_values_of_the_environment_reach_the_script_and_nothing_else": "run",
        "storage/test_remote.py::test_the_environment_has_no_place_in_an_address": "push pull",
        "threats/test_secrets.py::test_no_verb_lets_one_out": ""}),
    11: Case("terminal escapes", " ".join(cli.COMMANDS), {
        "threats/test_escapes.py::test_11_nothing_that_a_stranger_wrote_moves_a_terminal": "",
        "threats/test_escapes.py::test_11_what_machines_read_is_json_all_the_same": "status resolved log check",
        "threats/test_assets_from_servers.py::test_11_the_text_of_a_server_is_escaped": "assets",
        "storage/test_safe_extract.py::test_names_with_line_breaks_and_terminal_escapes_are_told_escaped": "pull",
        "test_errors.py::test_case_11_what_a_terminal_would_obey_is_shown": ""}),
    **{number: Case(what, "assets", dict.fromkeys(tests, "")) for number, what, tests in (
        (12, "bodies cut short", ("threats/test_assets_from_servers.py::test_12_a_cut_body_is_resumed",
             "threats/test_assets_from_servers.py::test_12_three_tries_and_then_the_old_state",
             "assets/test_http.py::test_case_12_a_server_that_goes_on_at_another_place_is_not_believed")),
        (13, "servers that stall", ("threats/test_assets_from_servers.py::test_13_a_stalled_server_is_left_after_the_idle_timeout",
             "threats/test_assets_from_servers.py::test_13_and_given_up_after_three_tries")),
        (14, "errors that pass", ("threats/test_assets_from_servers.py::test_14_500_500_200",
             "threats/test_assets_from_servers.py::test_14_retry_after_is_obeyed_within_a_cap",
             "threats/test_assets_from_servers.py::test_14_what_will_not_pass_is_not_tried_again")),
        (15, "redirects", ("threats/test_assets_from_servers.py::test_15_a_redirect_elsewhere_or_in_a_circle",
             "threats/test_assets_from_servers.py::test_15_redirects_are_followed_and_the_credentials_stay",
             "threats/test_assets_from_servers.py::test_15_credentials_of_netrc_go_to_their_host_alone")),
        (16, "wrong checksums", ("threats/test_assets_from_servers.py::test_16_a_wrong_file_on_disk_is_fetched_again",
             "threats/test_assets_from_servers.py::test_16_wrong_once_is_fetched_again",
             "threats/test_assets_from_servers.py::test_16_wrong_for_good_is_an_error")),
        (17, "nothing, or a page", ("threats/test_assets_from_servers.py::test_17_no_data",
             "threats/test_assets_from_servers.py::test_17_a_page_is_welcome_where_one_is_wanted")),
        (18, "encodings", ("threats/test_assets_from_servers.py::test_18_what_lands_is_what_the_checksum_is_about",
             "threats/test_assets_from_servers.py::test_18_never_half_decoded")),
        (19, "bodies without end", ("threats/test_assets_from_servers.py::test_19_the_cap_stops_it",
             "threats/test_assets_from_servers.py::test_19_so_does_the_room_on_the_disk",
             "threats/test_assets_from_servers.py::test_19_and_an_endless_body_ends_there")),
        (21, "one that fails among others", ("threats/test_assets_from_servers.py::test_21_the_others_are_still_fetched",
             "assets/test_http.py::test_case_21_one_that_fails_does_not_stop_the_others")),
    )},
    20: Case("what is no checksum", READERS, {
        MEETS: "", "assets/test_http.py::test_case_20_what_is_no_checksum_is_told_with_its_line": "assets",
        "threats/test_assets_from_servers.py::test_20_a_checksum_in_upper_case": "assets"}),
    **{number: Case(what, "pull restore run", {
        "threats/test_newer_verbs.py::test_22_to_26_an_archive_that_lies_brings_nothing": "", **dict.fromkeys(tests, "pull")})
        for number, what, tests in (
        (22, "members that leave", ("storage/test_safe_extract.py::test_case_22_a_member_that_leaves_the_project",
             "run/test_workspace_archive.py::test_cases_22_to_24_what_must_not_be_is_refused_and_nothing_written")),
        (23, "members that are no files", ("storage/test_safe_extract.py::test_case_23_a_member_that_is_no_plain_part_of_the_output",
             "run/test_workspace_archive.py::test_case_23_a_chain_of_links_does_not_lead_out",
             "run/test_ray.py::test_cases_23_and_24_what_must_not_come_back_is_refused")),
        (24, "members of something else", ("storage/test_safe_extract.py::test_case_24_a_member_of_something_else",)),
        (25, "content that is not what its name says", ("storage/test_safe_extract.py::test_case_25_what_is_not_what_its_name_says",
             "run/test_workspace_archive.py::test_case_25_what_is_cut_short_or_no_tar_leaves_the_old_state")),
        (26, "bombs", ("storage/test_safe_extract.py::test_case_26_a_bomb_is_stopped_by_the_setting",
             "storage/test_safe_extract.py::test_case_26_a_bomb_in_small_pieces_is_stopped",
             "storage/test_safe_extract.py::test_case_26_a_size_that_no_disk_has",
             "storage/test_safe_extract.py::test_case_26_a_header_of_gigabytes_takes_no_memory")),
    )},
    27: Case("interrupted uploads, unknown remotes", "push pull", {
        "threats/test_newer_verbs.py::test_27_an_unknown_remote_is_told_by_each_verb": "",
        "storage/test_remote.py::test_case_27_an_unknown_remote_is_never_a_folder_of_that_name": "push",
        "storage/test_ssh.py::test_case_27_a_killed_push_leaves_no_object_that_is_not_whole": "push",
        "storage/test_s3.py::test_a_torn_object_is_refused_and_mended": "push pull", EACH_CALL: "push pull"}),
    28: Case("pushing what lies outside", "push", {
        "storage/test_push.py::test_case_28_a_link_out_of_the_project_sends_nothing_at_all": "",
        "storage/test_push.py::test_case_28_an_output_that_became_a_link_out_sends_nothing": ""}),
    29: Case("project.yml is none", READERS, {
        MEETS: "", "threats/test_every_verb.py::test_29_what_is_no_file_is_refused_by_every_verb": "",
        "threats/test_every_verb.py::test_29_43_what_is_no_file_holds_nobody_up": "",
        "project/test_loader.py::test_case_29_a_file_that_may_not_be_read": ""}),
    30: Case("bombs of aliases and levels", READERS, {
        MEETS: "", "project/test_loader.py::test_case_30_a_bomb_is_refused_in_little_memory": "",
        "threats/test_fuzz.py::test_any_bytes_bring_down_no_more_than_themselves": ""}),
    31: Case("10 MB of project.yml", READERS, {
        MEETS: "", "project/test_loader.py::test_case_31_a_file_of_10_megabytes_is_refused_with_the_limit": ""}),
    32: Case("double keys, tabs, Latin-1, NUL, tags", READERS, {
        MEETS: "", "project/test_loader.py::test_a_problem_is_told_with_its_place_and_a_mend": "",
        "project/test_loader.py::test_case_32_a_byte_order_mark_and_windows_line_ends_work": ""}),
    33: Case("null, texts for lists, misspelt keys", READERS, {
        MEETS: "", "project/test_loader.py::test_case_33_an_unknown_key_of_the_project_is_a_warning_with_a_suggestion": ""}),
    34: Case("a command in two list items", READERS, {
        MEETS: "", "project/test_loader.py::test_the_specifications_own_prodigy_example_is_told_where_its_dashes_are": ""}),
    35: Case("cycles, unknown variables", READERS, {
        MEETS: "", "project/test_variables.py::test_case_35_a_cycle_is_told_once_with_its_chain": "",
        "project/test_variables.py::test_case_35_an_unknown_variable_is_told_with_a_suggestion": ""}),
    36: Case("a broken project.lock", "run status check lock push pull store graph", {
        "threats/test_every_verb.py::test_36_a_broken_lock_is_left_alone_by_every_verb_that_reads_it": "",
        "cli/test_lock.py::test_a_broken_lock_is_rebuilt_and_one_in_order_is_kept": "lock"}),
    37: Case("a download that is killed", "assets pull push", {
        EACH_CALL: "", "threats/test_signals.py::test_a_signal_at_any_time": "",
        "threats/test_assets_on_failing_disks.py::test_37_43_a_file": "assets",
        "threats/test_assets_on_failing_disks.py::test_37_43_a_folder": "assets",
        "assets/test_fetch.py::test_case_37_a_kill_between_the_two_renames_of_a_folder_is_healed": "assets",
        "storage/test_interrupted.py::test_case_37_killed_at_every_change_running_again_heals": "push pull"}),
    38: Case("a write that is killed", WRITERS + " notes", {
        EACH_CALL: WRITERS, "threats/test_every_system_call.py::test_a_disk_that_is_full_after_so_many_bytes": WRITERS,
        "threats/test_signals.py::test_a_signal_at_any_time": WRITERS,
        "test_files.py::test_case_38_whatever_call_fails_the_file_is_old_or_new": "",
        "git/test_notes.py::test_case_38_killed_at_any_time_the_ref_is_old_or_new": "notes"}),
    39: Case("two at once", "run assets push pull restore lock store", {
        "threats/test_in_turn.py::test_39_whoever_writes_waits_and_whoever_reads_does_not": "",
        "run/test_run.py::test_case_39_a_second_run_waits_or_says_that_it_will_not": "run",
        "threats/test_together.py::test_a_crowd_loses_no_entry_note_or_file": ""}),
    40: Case("signals in a run", "run push pull", {
        "run/test_run.py::test_case_40_a_signal_ends_the_whole_group_of_the_script_and_leaves_the_lock": "run",
        "run/test_parallel.py::test_case_40_a_signal_ends_all_of_them_and_leaves_the_lock": "run",
        "run/test_ray.py::test_case_40_a_signal_ends_what_runs_on_the_cluster": "run",
        "storage/test_interrupted.py::test_case_40_an_interrupt_does_not_wait_for_the_remote": "push pull"}),
    41: Case("outputs that are missing, files that are edited meanwhile", "run lock push check", {
        "threats/test_newer_verbs.py::test_41_an_output_that_was_not_made_is_entered_nowhere": "run lock push",
        "threats/test_newer_verbs.py::test_41_what_was_edited_meanwhile_is_never_current": "run push check",
        "run/test_run.py::test_case_41_a_file_renamed_in_a_folder_that_is_a_dependency": "run"}),
    42: Case("many files, and large ones", "assets run status check graph ignore lock push pull restore store", {
        "threats/test_large.py::test_42_little_memory": "run status check graph ignore lock push pull restore store",
        "threats/test_assets_on_failing_disks.py::test_42_a_large_file_takes_little_memory": "assets",
        "storage/test_large.py::test_case_42_hundreds_of_mb_take_little_memory": "push pull"}),
    43: Case("full disks, folders and files that may not be touched", WRITERS, {
        "threats/test_full_disk.py::test_43_a_disk_with_room_for_so_much": "",
        "threats/test_every_system_call.py::test_a_disk_that_is_full_after_so_many_bytes": "", EACH_CALL: "",
        "threats/test_assets_on_failing_disks.py::test_43_permissions": "assets",
        "storage/test_interrupted.py::test_case_43_a_remote_without_room": "push",
        "storage/test_interrupted.py::test_case_43_a_project_without_room": "pull"}),
    44: Case("Git's own variables", " ".join(cli.COMMANDS), {
        "threats/test_in_a_hook.py::test_44_the_index_of_a_hook_and_all_refs_stay_as_they_are": "",
        "run/test_script.py::test_case_44_a_script_does_not_see_gits_own_variables": "run",
        "test_clone.py::test_case_44_in_a_hook_the_users_index_stays_as_it_is": "clone",
        "git/test_first_commit.py::test_case_44_a_hooks_repository_is_not_touched": "clone",
        "hooks/test_hooks.py::test_a_run_in_a_hook_leaves_its_scripts_out_of_gits_business": "run"}),
    45: Case("what is staged, and nothing else", "check", {
        "test_hook.py::test_case_45_it_reads_what_is_staged_and_writes_nothing": "",
        "test_hook.py::test_case_45_it_starts_git_alone_and_opens_no_connection": "",
        "state/test_project_view.py::test_case_45_what_is_staged_counts_and_not_the_work_tree": ""}),
    46: Case("values that become paths", "restore run pull push status check lock log show diff notes store init", {
        HOSTILE: "", "test_formats.py::test_what_could_lead_elsewhere_is_no_name": "",
        "state/test_lock.py::test_an_md5_that_is_none_is_refused_with_its_line": "run status check lock",
        "state/test_run_record.py::test_a_record_with_a_value_that_cannot_be_is_passed_over": "log show diff",
        "storage/test_cache_store.py::test_a_hash_that_is_none_never_becomes_a_path": "restore run store",
        "setup/test_journal.py::test_a_journal_with_a_value_that_cannot_be_is_refused": "init"}),
    47: Case("outputs that the project does not declare, files of the user's", "restore pull run", {
        HOSTILE: "", "cli/test_restore.py::test_what_the_project_does_not_declare_is_not_restored": "restore",
        "cli/test_restore.py::test_a_file_that_git_tracks_is_not_replaced_unless_forced": "restore",
        "cli/test_restore.py::test_what_a_run_restores_something_over_is_saved_first": "run",
        "storage/test_pull.py::test_a_link_that_leads_nowhere_is_not_replaced_unless_forced": "pull",
        "storage/test_pull.py::test_other_file_names_than_a_teammate_recorded_are_refused": "pull"}),
    48: Case("destinations that are Git's own, or that a committed link chooses", "clone init graph document schema lock run status check", {
        "threats/test_clone_destinations.py::test_a_destination_in_any_spelling_of_git_s_folder_is_refused": "clone",
        "threats/test_clone_destinations.py::test_a_link_in_a_work_tree_does_not_choose_where_a_template_lands": "clone",
        "threats/test_clone_destinations.py::test_a_generated_file_is_not_written_where_git_or_a_committed_link_leads": "graph document schema",
        "threats/test_init_links.py::test_init_does_not_write_through_a_committed_link": "init",
        "threats/test_init_links.py::test_undo_does_not_write_through_a_link_that_came_since": "init",
        "threats/test_swapped_links.py::test_a_link_that_is_swapped_in_at_any_system_call_leads_nowhere": "run status check lock document",
        "cli/test_lock.py::test_the_merge_driver_does_not_write_through_a_link_that_leads_out": "lock"}),
    49: Case("notes, trees and texts that expand", "notes run log show diff status check", {
        "threats/test_notes_that_expand.py::test_fetched_notes_that_expand_are_not_merged_and_the_hint_repairs_the_remote": "notes",
        "threats/test_notes_that_expand.py::test_notes_here_that_expand_stop_nothing_and_the_hint_sets_them_back": "run log show diff status notes",
        "threats/test_notes_that_expand.py::test_a_note_of_400_megabytes_is_left_out_and_the_others_are_read": "notes log",
        "state/test_run_record.py::test_scripts_of_many_equal_lines_are_compared_in_no_time": "log diff",
        "state/test_project_view.py::test_a_staged_lock_that_is_far_too_large_is_refused_unread": "check"}),
    50: Case("Git servers that never end", "clone assets", {
        "git/test_endless.py::test_a_server_that_never_ends_is_left": "",
        "git/test_endless.py::test_the_settings_hold_for_assets_and_clone": ""}),
    51: Case("credentials and the environment, given to others", "assets clone run", {
        "threats/test_redirects.py::test_a_public_server_cannot_redirect_to_a_private_one": "assets",
        "threats/test_redirects.py::test_the_address_that_was_checked_is_the_one_that_is_asked": "assets",
        "threats/test_assets_from_servers.py::test_15_credentials_of_netrc_go_to_their_host_alone": "assets",
        "git/test_travelling.py::test_the_users_own_password_is_used": "clone",
        "run/test_ray_options.py::test_what_is_sent_shows_nothing_of_the_environment_but_what_env_names": "run",
        "run/test_ray.py::test_a_worker_that_lacks_the_folder_gets_only_what_env_names": "run"}),
    52: Case("text of a project in Markdown, HTML, pictures and completion", "document graph", {
        "generate/test_document.py::test_a_text_of_a_project_is_inert_wherever_it_stands": "document",
        "generate/test_document.py::test_no_mixture_of_special_characters_is_more_than_text": "document",
        "generate/test_document.py::test_a_description_swallows_nothing_of_what_comes_after_it": "document",
        "generate/test_drawing.py::test_no_name_is_more_than_a_name": "graph",
        "test_completion_of_hostile_names.py::test_bash_offers_nothing_while_a_quote_is_open": ""}),
    53: Case("two signals at any time", "run assets clone push pull lock", {
        "threats/test_two_signals.py::test_two_signals_at_any_time_leave_no_script": "run",
        "threats/test_two_signals.py::test_a_signal_at_each_call_of_ours_leaves_no_script": "run",
        "threats/test_two_signals.py::test_two_signals_at_any_time_end_what_waits_for_a_server": "assets clone",
        "threats/test_signals.py::test_a_signal_at_any_time": "push pull lock"}),
    54: Case("the only copy of an output", "restore run store", {
        "cli/test_restore.py::test_the_last_copy_is_not_replaced_while_its_cached_copy_is_damaged": "restore",
        "cli/test_restore.py::test_a_damaged_store_is_no_reason_for_a_wrong_output_and_is_healed_by_a_run": "",
        "storage/test_cache_store.py::test_what_is_damaged_is_not_given_out_and_is_healed_by_keeping_it_again": "run store"}),
}  # fmt: skip


@cache
def names_in(file: str) -> set[str]:
    tree = ast.parse((TESTS / file).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_no_case_is_missing() -> None:
    assert sorted(CASES) == list(range(1, 55))


@pytest.mark.parametrize("number", CASES)
def test_each_is_held_by_tests_that_are_there_for_every_verb_that_it_is_about(number: int) -> None:
    case = CASES[number]
    about = set(case.verbs.split())
    assert about <= set(cli.COMMANDS)
    held: set[str] = set()
    for test, verbs in case.tests.items():
        file, _, name = test.partition("::")
        assert name in names_in(file), test
        held |= set(verbs.split()) if verbs else about
    assert about - held == set(), "no test for these"


def test_the_verbs_of_the_tables_are_all_there_are() -> None:
    assert {words.split()[0] for words in READS} == set(READERS.split())
    assert {text.case for text in REFUSED} >= {1, 3, 4, 20, *range(29, 36)}
