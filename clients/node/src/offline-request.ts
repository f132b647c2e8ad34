/** Returns the text with which an operator makes a license file for this machine. */
export function formatOfflineRequest(product: string, machineId: string, machineName: string | null): string {
  const request = { product, machine_id: machineId, ...(machineName !== null && { machine_name: machineName }) };
  return `signet-request/1:${Buffer.from(JSON.stringify(request)).toString("base64url")}`;
}
