"""Tests infra/delete.sh with a command in place of the AWS CLI that knows one installation, a key of others, and logs its arguments.
tests/deploy.sh deletes an installation on MiniStack with it."""

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

from cloudformation import REGION, ROOT, STACK

AWS = """#!/bin/sh
echo "$*" >> "$FOLDER/log"
case "$*" in
  "cloudformation list-stacks "*) echo arn:of-the-deleted-stack ;;
  "cloudformation describe-stack-resources --stack-name arn:of-the-deleted-stack "*)
    printf 'Api\\tapi-1\\nUserPool\\tpool-1\\nCursorSecret\\tsecret-1\\nSessionSecret\\tsecret-2\\nBackupVault\\tvault-1\\n' ;;
  "cloudformation describe-stacks "*) echo "$PROTECTED" ;;
  *Table.ItemCount*) echo 12 ;;
  *Table.DeletionProtectionEnabled*) echo True ;;
  "kms list-keys "*) printf 'root\\tforeign\\tsealing\\tsigning\\n' ;;
  "kms list-resource-tags --key-id root "*) printf 'signet\\troot\\n' ;;
  "kms list-resource-tags --key-id sealing "*) printf 'signet\\tseal\\n' ;;
  "kms list-resource-tags --key-id signing "*) printf 'signet\\tsign\\n' ;;
  "kms list-resource-tags --key-id foreign "*) echo "AccessDeniedException" >&2; exit 254 ;;
  "apigatewayv2 delete-api "*) echo "$API_ERROR" >&2; [ -z "$API_ERROR" ] ;;
esac
"""
CHANGES = ("delete", "schedule", "update")


class Delete(unittest.TestCase):
    def delete(self, answer=STACK + "\n", protected="False", api_error="", options=()):
        """Runs the script, and returns the result and the commands that change something."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "aws").write_text(AWS)
            (folder / "aws").chmod(0o755)
            file = folder / "production.toml"
            file.write_text(f'region = "{REGION}"\n  "DataStack={STACK}",\n')
            variables = {"PATH": f"{folder}:{os.environ['PATH']}", "FOLDER": name, "PROTECTED": protected, "API_ERROR": api_error}
            command = [ROOT / "infra/delete.sh", file, *options]
            result = subprocess.run(command, env=os.environ | variables, input=answer, capture_output=True, text=True, check=False)
            log = (folder / "log").read_text().splitlines() if (folder / "log").exists() else []
        return result, [line for line in log if line.split()[1].startswith(CHANGES)]

    def test_deletes_both_stacks_and_then_all_resources_also_those_of_a_stack_that_was_deleted_before(self):
        result, changes = self.delete()
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(changes, [
            "cloudformation delete-stack --stack-name signet-app",
            "cloudformation delete-stack --stack-name signet",
            "dynamodb update-table --table-name signet --no-deletion-protection-enabled",
            "dynamodb delete-table --table-name signet",
            "kms schedule-key-deletion --key-id root --pending-window-in-days 30",
            "kms schedule-key-deletion --key-id sealing --pending-window-in-days 30",
            "kms schedule-key-deletion --key-id signing --pending-window-in-days 30",
            "apigatewayv2 delete-api --api-id api-1",
            "secretsmanager delete-secret --secret-id secret-1 --recovery-window-in-days 30",
            "secretsmanager delete-secret --secret-id secret-2 --recovery-window-in-days 30",
            "cognito-idp update-user-pool --user-pool-id pool-1 --deletion-protection INACTIVE",
            "cognito-idp delete-user-pool --user-pool-id pool-1",
            "backup delete-backup-vault --backup-vault-name vault-1",
        ])

    def test_signing_keys_have_the_only_period_that_their_key_policy_allows(self):
        _, changes = self.delete(options=["--without-recovery"])
        days = {line.split()[3]: line.split()[-1] for line in changes if line.startswith("kms ")}
        self.assertEqual(days, {"root": "7", "sealing": "7", "signing": "30"})
        secrets = [line for line in changes if line.startswith("secretsmanager ")]
        self.assertEqual([line.split()[-1] for line in secrets], ["--force-delete-without-recovery"] * 2)
        self.assertIn('"kms:ScheduleKeyDeletionPendingWindowInDays":"30"', (ROOT / "template.yaml").read_text())

    def test_nothing_is_deleted_without_the_name_of_the_data_stack(self):
        for answer in ["", "\n", "yes\n", "production\n", f"{STACK}-app\n"]:
            result, changes = self.delete(answer)
            self.assertEqual((result.returncode, changes), (1, []), answer)
            self.assertIn("nothing was deleted", result.stderr)

    def test_nothing_is_deleted_while_the_data_stack_is_protected(self):
        result, changes = self.delete(protected="True")
        self.assertEqual((result.returncode, changes), (1, []))
        self.assertIn("signet is protected from termination", result.stderr)

    def test_unknown_options_are_refused(self):
        result, changes = self.delete(options=["--force"])
        self.assertEqual((result.returncode, changes), (2, []))

    def test_a_resource_that_cannot_be_deleted_is_reported_and_does_not_stop_the_others(self):
        result, changes = self.delete(api_error="An error occurred (TooManyRequestsException)")
        self.assertEqual(result.returncode, 1)
        self.assertIn("TooManyRequestsException", result.stderr)
        self.assertIn("deletions failed: 1", result.stderr)
        self.assertIn("cognito-idp delete-user-pool --user-pool-id pool-1", changes)

    def test_a_resource_that_does_not_exist_is_no_failure(self):
        result, _ = self.delete(api_error="An error occurred (NotFoundException)")
        self.assertEqual(result.returncode, 0, result.stderr)


if __name__ == "__main__":
    unittest.main()
