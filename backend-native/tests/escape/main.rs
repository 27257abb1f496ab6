//! What a hostile build tries, each with what it must not get. Nothing of the machine outside of the
//! build's own files is to be read, written, signalled, used up or left behind.
//!
//! Where this system does not allow builds without an engine the tests are listed as ignored, with
//! the reason; `STAGEX_REQUIRE=native` turns that into failures. Ignored as well is what takes a user that
//! this one is not.

mod alike;
mod bounds;
mod files;
mod flags;
mod network;
mod processes;
mod set_id;
mod standing;
mod support;

use std::process::ExitCode;

use support::{Case, cases};

fn main() -> ExitCode {
    if let Some(code) = alike::command() {
        return code;
    }
    let for_all = cases![
        alike::a_tree_is_made_again_as_it_was,
        alike::no_call_outlives_its_run,
        files::a_source_leads_nowhere_outside,
        files::a_destination_leads_nowhere_outside,
        files::a_working_directory_leads_nowhere_outside,
        files::an_archive_unpacks_nothing_outside,
        files::an_archive_links_nothing_outside,
        files::mount_points_lead_nowhere_outside,
        files::links_in_the_way_of_mount_points_change_nothing_outside,
        files::names_in_any_bytes_come_back,
        files::what_overwrites_a_line_is_another,
        files::links_where_the_machine_is_shown_are_refused,
        files::what_is_bound_can_only_be_read,
        files::what_is_written_over_a_bound_directory_is_forgotten,
        files::what_is_written_over_has_no_way_out_in_its_name,
        files::devices_and_owners_lead_nowhere_outside,
        processes::the_roots_of_processes_are_the_builds,
        processes::no_device_but_those_of_every_build_can_be_opened,
        processes::nothing_can_be_mounted,
        processes::the_machines_settings_can_only_be_read,
        processes::no_descriptor_is_left_open,
        processes::no_other_process_can_be_seen_or_signalled,
        processes::what_runs_on_ends_with_its_step,
        processes::no_descriptor_of_the_builder_is_a_way_out,
        processes::a_held_directory_is_no_way_out_of_a_root,
        processes::the_machines_devices_are_not_a_builds,
        processes::the_builders_program_cannot_be_changed,
        processes::rights_are_those_of_a_container,
        processes::what_is_shown_of_the_system_can_only_be_read,
        processes::control_groups_cannot_be_reached,
        processes::sockets_without_a_file_are_the_machines_own,
        processes::calls_of_the_kernels_own_affairs_are_refused,
        processes::mounts_of_a_build_are_seen_by_nobody_else,
        processes::what_is_built_is_closed_to_others,
        processes::no_terminal_can_be_typed_into,
        processes::old_calls_give_no_other_sockets,
        network::nobody_else_can_connect_to_a_build,
        network::the_machines_own_services_are_out_of_reach,
        network::what_fails_for_want_of_a_network_says_so,
        network::the_machines_network_is_not_a_containerfiles_to_give,
        network::what_leads_outside_ends_with_its_build,
        bounds::where_no_process_can_be_run_no_build_begins,
        flags::parents_come_along,
        flags::what_is_excluded_stays,
        flags::modes_can_be_changes,
        standing::a_device_is_seen_as_one,
        standing::an_owner_beyond_the_ranges_is_seen,
        standing::a_device_is_made_as_its_maker_would,
        standing::errors_are_the_kernels,
        standing::wherever_a_maker_stands,
        standing::programs_of_32_bits_are_served,
        standing::what_cannot_be_answered_is_refused,
        standing::names_of_one_file_are_of_one_file,
        standing::a_link_that_fails_changes_nothing,
        standing::a_signal_begins_no_call_again,
        set_id::a_set_id_file_that_is_written_to,
        set_id::a_set_id_file_of_an_earlier_step,
        set_id::a_file_that_is_made_with_the_set_id_bit,
        set_id::a_set_id_file_in_a_mount,
        set_id::what_the_builder_writes_keeps_its_set_id_bits,
        bounds::a_sparse_file_takes_no_room,
        bounds::an_endless_line_is_cut,
        bounds::directories_as_deep_as_can_be_are_an_error_and_removed,
    ];
    let for_root = cases![
        bounds::processes_are_held_back,
        bounds::a_builder_that_may_start_nothing_says_so,
        bounds::a_limit_that_a_script_ignores_fails_its_step,
        bounds::a_full_disk_that_a_script_ignores_fails_its_step,
        bounds::memory_is_held_back,
        bounds::groups_of_builders_that_were_killed_are_removed,
        bounds::a_disk_that_is_full_is_said,
        bounds::a_disk_that_a_copy_fills_is_said,
    ];
    let for_others = cases![bounds::a_process_that_forks_for_ever_ends];
    let is_root = rustix::process::geteuid().is_root();
    let only_if = |holds: bool, why: &'static str| {
        let absence = (!holds).then_some(why);
        move |case| Case { absence, ..case }
    };
    let for_root = for_root.into_iter().map(only_if(
        is_root,
        "it takes a disk or a control group of root's own",
    ));
    let for_others = for_others.into_iter().map(only_if(
        !is_root,
        "the kernel does not count root's processes by user",
    ));
    support::main(for_all.into_iter().chain(for_root).chain(for_others))
}
